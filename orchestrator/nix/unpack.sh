# How sources become the folder that a script starts in. Functions alone; build.sh calls tally_unpack and tally_top.

# Everything in a folder is the build's to read, to change and to delete, whatever modes it came with.
tally_own() { # FOLDER
    chmod -R u+rwX,ug-s "$1"
}

# One time for every file, so that make does not think one of them older than another.
tally_date() { # FOLDER, and what find(1) shall choose there...
    find "$1" "${@:2}" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

tally_unpack() { # FOLDER PATH FILE-NAME
    mkdir -p "$1"
    if [[ -d $2 ]]; then
        cp -r "$2/." "$1"
        tally_say_empty "$1"
        tally_own "$1"
        tally_date "$1"
        return
    fi
    local magic
    magic=$(tally_magic "$2")
    case $magic in
        504b0304* | 504b0506*) # not below, where bash would go on after an error
            tally_unzip "$1" "$2"
            tally_own "$1"
            tally_separate "$1"
            # some unzip programs restore times, some do not
            tally_date "$1"
            return
            ;;
    esac
    case $magic in
        1f9d*) gzip -dc "$2" | tally_untar "$1" - ;;
        4c5a4950*) tally_unlzip "$2" | tally_untar "$1" - ;;
        5d0000*) xz --format=lzma -dc "$2" | tally_untar "$1" - ;;
        *) tally_untar "$1" "$2" ;;
    esac || {
        echo "tally: $3 could not be unpacked; with \`unpack = false\` in the recipe's source it is kept as a file" >&2
        return 1
    }
    tally_own "$1"
    # a folder that the archive does not list has the time of its unpacking
    tally_date "$1" -type d
}

tally_magic() { # PATH: its first bytes in hexadecimal
    head -c 6 "$1" | od -An -v -tx1 | tr -d ' \n'
}

# As any user's tar does, with modes of folders set when everything is in them, and no setuid bits.
tally_untar() { # FOLDER PATH
    tar --no-same-owner --no-same-permissions --delay-directory-restore --warning=no-timestamp \
        --warning=no-unknown-keyword -C "$1" -xf "$2"
}

tally_unlzip() { # PATH
    if command -v lzip > /dev/null; then
        lzip -dc "$1"
    elif ! xz --format=lzip -dc "$1"; then # since xz 5.4
        echo "tally: nothing here unpacks a .tar.lz: add lzip to the recipe's toolchain packages" >&2
        return 1
    fi
}

# The pinned busybox first, so that the tree does not depend on what else is in the toolchain.
tally_unzip() { # FOLDER PATH
    if [[ -n ${tallyBusybox-} ]] && "$tallyBusybox" unzip -q -o "$2" -d "$1" < /dev/null; then
        return
    fi
    if command -v unzip > /dev/null; then
        local status=0
        rm -rf "$1"
        mkdir "$1"
        unzip -q -o "$2" -d "$1" < /dev/null || status=$?
        # 1: all is there, with a warning
        return "$((status > 1))"
    fi
    echo "tally: nothing here unpacks this .zip: add unzip to the recipe's toolchain packages" >&2
    return 1
}

# Windows programs write `a\b` for a file `b` in a folder `a`. As Info-ZIP has it, that is meant where the name holds no `/`.
tally_separate() { # FOLDER
    local path name
    shopt -s dotglob nullglob
    for path in "$1"/*\\*; do
        name=${path##*/}
        name=${name//\\//}
        if [[ /$name/ == */../* ]]; then
            echo "tally: the archive holds a file outside its folder: $name" >&2
            return 1
        elif [[ $name == */ ]]; then
            mkdir -p "$1/$name"
            rm -rf "$path"
        else
            mkdir -p "$(dirname "$1/$name")"
            mv -T "$path" "$1/$name"
        fi
    done
    shopt -u dotglob nullglob
}

# the only folder in a folder, or that folder itself when it holds anything else; what macOS and git put beside it is
# not counted
tally_top() { # FOLDER
    local entry found=()
    shopt -s dotglob nullglob
    for entry in "$1"/*; do
        case ${entry##*/} in
            ._* | .DS_Store | pax_global_header) if [[ -f $entry && ! -L $entry ]]; then continue; fi ;;
            __MACOSX) if [[ -d $entry && ! -L $entry ]]; then continue; fi ;;
        esac
        found+=("$entry")
    done
    shopt -u dotglob nullglob
    if ((${#found[@]} == 1)) && [[ -d ${found[0]} && ! -L ${found[0]} ]]; then
        echo "${found[0]}"
    else
        echo "$1"
    fi
}

# git keeps no empty folder: one is a submodule that was left out
tally_say_empty() { # FOLDER
    find "$1" -mindepth 1 -type d -empty -printf '%P\0' | sort -z | head -z -n 20 | tr '\n\r\0' '??\n' |
        sed 's/^/tally: an empty folder where the source has a submodule (`submodules = true` brings it in): /'
}

tally_say_kept() { # NAME PATH FILE-NAME
    local variable=src hint=
    if [[ $1 != src ]] || ((tallyCount > 1)); then variable=src_$1; fi
    if [[ ! -f $2 ]]; then return; fi
    case $(tally_magic "$2") in
        504b0304* | 1f8b* | 1f9d* | 425a68* | fd377a58* | 28b52ffd* | 4c5a4950*)
            hint="; it looks packed: \`unpack = true\` in the recipe's source unpacks an archive"
            ;;
    esac
    echo "tally: the source $1 is kept as a file, \$$variable ($3)$hint"
}
