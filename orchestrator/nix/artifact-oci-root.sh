# What an image has at its top: the toolchain's root, $base, and over it a folder of the package, $root. Functions for
# artifact-oci.sh, which follows. Specification: OCI image specification 1.1, "Image Layer Filesystem Changeset".
refuse() {
    echo "tally: $*" >&2
    exit 1
}

# What layers must not hold: a name that begins with .wh. takes away what is below it.
refuse_whiteouts() { # FOLDER...
    local found
    found=$(find "$@" -name '.wh.*' -printf '%p' -quit | tr '\n\r' '??')
    if [[ -n $found ]]; then
        refuse "an image can hold no file called ${found##*/}: in a layer such a name takes away another file ($found)"
    fi
}

names_in() { # FOLDER, names that are left out...: what is in it, each ended by NUL
    local each leave=()
    for each in "${@:2}"; do leave+=(! -name "$each"); done
    find "$1" -mindepth 1 -maxdepth 1 "${leave[@]}" -printf '%P\0' | LC_ALL=C sort -z
}

absent_from() { # BASE FOLDER: what is below FOLDER, without folders that BASE has, too, but for tmp; each ended by NUL
    local path
    find "$2" -mindepth 1 -printf '%P\0' | LC_ALL=C sort -z | while IFS= read -r -d '' path; do
        if [[ $path == tmp || ! -d $2/$path || ! -d $1/$path ]]; then printf '%s\0' "$path"; fi
    done
}

without_package() { # takes the package out of what goes in under its store path
    local each left=()
    for each in "${paths[@]}"; do
        if [[ /$each != "$package" ]]; then left+=("$each"); fi
    done
    paths=("${left[@]}")
}

check_root() {
    local place=$package/$root path
    if [[ ! -d $place ]]; then
        echo "tally: the package holds no folder \"$root\" for the image's root; it holds:" >&2
        (cd "$package" && find . -mindepth 1 -maxdepth 2 -printf '%P\0' | sort -z | head -z -n 50 | tr '\n\r\0' '??\n') >&2
        exit 1
    fi
    if [[ -L $package || $(realpath -e -- "$place") != "$(realpath -e -- "$package")/$root" ]]; then
        refuse "the image's root \"$root\" is behind a link: let the script make a folder there"
    fi
    # the folder has another place in the image than in the store
    path=$(find "$place" -type l \( -lname "$place" -o -lname "$place/*" \) -printf '%P' -quit | tr '\n\r' '??')
    if [[ -n $path ]]; then
        refuse "the link /$path leads to ${place@Q}, which is / in the image: let it lead to where that is there, or make it relative"
    fi
    check_links "$place"
    if [[ -e $place/nix/store || -L $place/nix/store ]]; then
        refuse "the image's root has a /nix/store: that is the place of what the package refers to"
    fi
    if [[ -L $place/nix ]] || [[ -e $place/nix && ! -d $place/nix ]]; then
        refuse "the image's root has a file /nix, where the image has a folder"
    fi
    if [[ -L $place/tmp ]] || [[ -e $place/tmp && -n $(find "$place/tmp" ! \( -path "$place/tmp" -type d \) -print -quit) ]]; then
        refuse "the image's root has something in /tmp: an image has its own, for everybody to write to, and that is empty"
    fi
    if [[ -n ${base-} ]]; then check_over "$place"; fi
}

# A link that leads to the rest of the package would lead to something else, as nothing is above the image's root.
check_links() { # FOLDER
    local path target part parts depth
    while IFS= read -r -d '' path && IFS= read -r -d '' target; do
        depth=${path//[!\/]/}
        depth=${#depth}
        IFS=/ read -r -d '' -a parts <<< "$target" || true
        for part in "${parts[@]}"; do
            case ${part%$'\n'} in
                .. ) depth=$((depth - 1)) ;;
                . | '') ;;
                *) depth=$((depth + 1)) ;;
            esac
            if ((depth < 0)) && [[ $(realpath -m -- "$1/$path") == "$package"/* ]]; then
                refuse "the link /${path//[$'\n\r']/?} leads out of the image's root, to ${target@Q} in the package"
            fi
        done
    done < <(find "$1" -type l ! -lname '/*' -printf '%P\0%l\0')
}

# A folder in the place of a link or a file would take away what is behind it, and so would a file in the place of a folder
# or of a link to one.
check_over() { # FOLDER
    local path kind shown
    while IFS= read -r -d '' kind && IFS= read -r -d '' path; do
        shown=/${path//[$'\n\r']/?}
        if [[ $kind == d ]]; then
            if [[ -L $base/$path ]]; then
                refuse "the image's root has a folder $shown, where the toolchain has a link to $(readlink "$base/$path"): put files there"
            elif [[ -e $base/$path && ! -d $base/$path ]]; then
                refuse "the image's root has a folder $shown, where the toolchain has a file"
            fi
        elif [[ -d $base/$path && ! -L $base/$path ]]; then
            refuse "the image's root has a file $shown, where the toolchain has a folder"
        elif [[ -d $base/$path && $(readlink "$1/$path") != "$(readlink "$base/$path")" ]]; then
            refuse "the image's root has a file $shown, where the toolchain has a link to the folder $(readlink "$base/$path")"
        fi
    done < <(find "$1" -mindepth 1 -printf '%y\0%P\0')
}

# What a machine has, and no toolchain's root: accounts without the build's, names asked of DNS, and certificates, since
# no package's own script ran.
make_own_files() { # FOLDER
    mkdir -p "$1"/{etc/ssl/certs,root,sys}
    chmod 700 "$1/root"
    cat > "$1/etc/passwd" <<'END'
root:x:0:0:root:/root:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
END
    cat > "$1/etc/group" <<'END'
root:x:0:
nogroup:x:65534:
END
    cat > "$1/etc/nsswitch.conf" <<'END'
passwd: files
group: files
hosts: files dns
services: files
protocols: files
END
    local certificates=("$base"/usr/share/ca-certificates/mozilla/*.crt)
    if [[ -e ${certificates[0]} ]]; then cat -- "${certificates[@]}" > "$1/etc/ssl/certs/ca-certificates.crt"; fi
}
