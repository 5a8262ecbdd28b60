# go: a folder that is a module proxy ("GOPROXY protocol"), with the zips and go.mod files that go.sum has hashes of. Go hashes
# them again. See nix/dependencies.nix for the list's lines.

tally_lay_out_go() { # LIST
    local path file name version folder
    cp "$tallyBeside_modPath" "$out/mod"
    mkdir "$out/cache"
    while read -r path file name version _; do
        folder=$out/cache/$(tally_escaped_go "$name")/@v
        version=$(tally_escaped_go "$version")
        mkdir -p "$folder"
        printf '{"Version":"%s"}\n' "$version" | sed 's/!\(.\)/\u\1/g' > "$folder/$version.info"
        case $file in
            *.mod) cp "$path" "$folder/$version.mod" ;;
            *.zip)
                ln -s "$path" "$folder/$version.zip"
                tally_mod_of_go "$path" "$name" > "$folder/$version.mod"
                ;;
        esac
        echo "$version" | sed 's/!\(.\)/\u\1/g' >> "$folder/list"
    done < "$1"
}

# A capital letter is `!` and the small one, for file systems that do not tell them apart.
tally_escaped_go() { # TEXT
    sed 's/[A-Z]/!\l&/g' <<< "$1"
}

# Of a module from before go.mod files a proxy makes one up, which is all of its hash.
tally_mod_of_go() { # ZIP MODULE
    local unpacked
    unpacked=$(mktemp -d)
    tally_unzip_go "$1" "$unpacked"
    set -- "$1" "$2" "$unpacked"/"$2"@*/go.mod
    if [[ -f $3 ]]; then cat "$3"; else echo "module $2"; fi
    rm -rf "$unpacked"
}

# its go.mod alone; none is no error
tally_unzip_go() { # ZIP FOLDER
    if [[ -n ${tallyBusybox-} ]]; then
        "$tallyBusybox" unzip -q -o "$1" '*/go.mod' -d "$2" < /dev/null > /dev/null 2>&1 || true
    elif command -v unzip > /dev/null; then
        unzip -q -o "$1" '*/go.mod' -d "$2" < /dev/null > /dev/null 2>&1 || true
    else
        echo "tally: nothing here unpacks the .zip of a Go module: add unzip to the recipe's toolchain packages" >&2
        return 1
    fi
}

tally_enter_go() { # FOLDER
    local mode
    mode=$(< "$1/mod")
    export GOFLAGS=${GOFLAGS--mod=$mode}
    export GOPROXY=file://$1/cache GONOPROXY=none GOPRIVATE='' GONOSUMDB='' GOSUMDB=off GOTOOLCHAIN=local
    # what was read is the module's own go.sum, so that a workspace around it does not count
    if [[ $mode != readonly ]]; then export GOWORK=${GOWORK-off}; fi
}
