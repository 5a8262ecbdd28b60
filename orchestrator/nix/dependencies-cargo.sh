# cargo: unpacked crates, a folder of them for each registry ("Directory Sources" of Cargo's source replacement), and the
# configuration that names them. See nix/dependencies.nix for the list's lines.

tally_lay_out_cargo() { # LIST
    local path name version digest rev address place source folder
    local -A folders=()
    mkdir "$out/vendor"
    : > "$out/config.toml"
    while read -r path _ name version digest rev address place; do
        source=${address%%#*}
        [[ $rev == - ]] || source=${place%%#*}
        [[ $address != mirror://* ]] || source=crates-io
        if [[ -z ${folders[$source]-} ]]; then
            folders[$source]=vendor/${#folders[@]}
            mkdir "$out/${folders[$source]}"
            tally_source_cargo "$source" "${folders[$source]}" >> "$out/config.toml"
        fi
        folder=$out/${folders[$source]}/$name-$version
        if [[ -e $folder ]]; then
            continue
        elif [[ $rev == - ]]; then
            tally_crate_cargo "$path" "$folder" "${digest#*:}"
        else
            tally_tree_cargo "$path" "$folder" "$name"
        fi
    done < "$1"
}

# Its folder alone: what lies beside it in the archive would be another crate's.
tally_crate_cargo() { # FILE FOLDER SHA256
    local unpacked=$2.unpacked
    mkdir "$unpacked"
    tar --no-same-owner --no-same-permissions -C "$unpacked" -xzf "$1"
    if [[ $(ls -A "$unpacked") != "${2##*/}" || -L $unpacked/${2##*/} ]]; then
        echo "tally: the crate ${2##*/} does not hold one folder of that name" >&2
        return 1
    fi
    mv -T "$unpacked/${2##*/}" "$2"
    rmdir "$unpacked"
    chmod -R u+rwX "$2"
    rm -rf "$2/.cargo-checksum.json"
    printf '{"files":{},"package":"%s"}\n' "$3" > "$2/.cargo-checksum.json"
}

# One package of a repository. What its workspace says for it is read from the folder above, as Cargo looks there.
tally_tree_cargo() { # TREE FOLDER NAME
    local manifest
    manifest=$(tally_manifest_cargo "$1" "$3")
    if [[ -z $manifest ]]; then
        echo "tally: the repository holds no package $3" >&2
        return 1
    fi
    cp -r "${manifest%/*}" "$2"
    chmod -R u+rwX "$2"
    rm -rf "$2/.cargo-checksum.json"
    printf '{"files":{},"package":null}\n' > "$2/.cargo-checksum.json"
    if [[ ${manifest%/*} != "$1" && -f $1/Cargo.toml ]]; then
        cp "$1/Cargo.toml" "${2%/*}/Cargo.toml"
    fi
}

# the Cargo.toml whose [package] has this name, the one nearest to the top
tally_manifest_cargo() { # TREE NAME
    local manifest
    find "$1" -name Cargo.toml -type f -printf '%d %p\n' | sort -n | while read -r _ manifest; do
        if awk -v name="$2" '
            /^[[:space:]]*\[/ { inside = $0 ~ /^[[:space:]]*\[[[:space:]]*package[[:space:]]*\]/ }
            inside && /^[[:space:]]*name[[:space:]]*=/ { split($0, part, /["\047]/); if (part[2] == name) found = 1 }
            END { exit !found }' "$manifest"; then
            echo "$manifest"
        fi
    done | sed -n 1p
}

# A folder begins with @ in place of where the build will find it: that path gets into programs, so it is not the store's.
tally_source_cargo() { # SOURCE FOLDER
    local address
    case $1 in
        crates-io) echo '[source.crates-io]' ;;
        git+*)
            address=${1#git+}
            printf '[source."%s"]\ngit = "%s"\n' "$2" "${address%%\?*}"
            if [[ $address == *\?* ]]; then
                address=${address#*\?}
                printf '%s = "%s"\n' "${address%%=*}" "${address#*=}"
            fi
            ;;
        registry+*) printf '[source."%s"]\nregistry = "%s"\n' "$2" "${1#registry+}" ;;
        *) printf '[source."%s"]\nregistry = "%s"\n' "$2" "$1" ;;
    esac
    printf 'replace-with = "tally-%s"\n[source."tally-%s"]\ndirectory = "@%s"\n' "$2" "$2" "$2"
}

# Cargo reads the configuration of its home folder after the project's own.
tally_enter_cargo() { # FOLDER
    export CARGO_HOME=$HOME/.cargo CARGO_NET_OFFLINE=true
    mkdir -p "$CARGO_HOME"
    ln -s "$1/vendor" "$CARGO_HOME/vendor"
    sed "s|^directory = \"@|directory = \"$CARGO_HOME/|" "$1/config.toml" > "$CARGO_HOME/config.toml"
}
