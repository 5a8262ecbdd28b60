# cargo: unpacked crates, a folder of them for each registry ("Directory Sources" of Cargo's source replacement), and the
# configuration that names them. See nix/dependencies.nix for the list's lines.

tally_lay_out_cargo() { # LIST
    local path name version digest address source folder
    local -A folders=()
    mkdir "$out/vendor"
    : > "$out/config.toml"
    while read -r path _ name version digest _ address _; do
        source=${address%%#*}
        [[ $address != mirror://* ]] || source=crates-io
        if [[ -z ${folders[$source]-} ]]; then
            folders[$source]=vendor/${#folders[@]}
            mkdir "$out/${folders[$source]}"
            tally_source_cargo "$source" "${folders[$source]}" >> "$out/config.toml"
        fi
        folder=$out/${folders[$source]}/$name-$version
        test -e "$folder" || tally_crate_cargo "$path" "$folder" "${digest#*:}"
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

# A folder begins with @ in place of where the build will find it: that path gets into programs, so it is not the store's.
tally_source_cargo() { # SOURCE FOLDER
    case $1 in
        crates-io) echo '[source.crates-io]' ;;
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
