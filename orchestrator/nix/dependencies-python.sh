# Python: a folder of wheels and sdists for pip, all of them as requirements with their digests, those that users get as
# others, and a virtual environment where a recipe asks for one. See nix/dependencies.nix for the list's lines.

tally_lay_out_python() { # LIST
    local path file name version digest rev part
    mkdir "$out/wheels"
    : > /build/sdists.txt
    while read -r path file name version digest rev _ part; do
        if [[ $rev == - ]]; then
            # two locks may have the same file
            ln -sfn "$path" "$out/wheels/$file"
        else
            file=$name-$version.tar.gz
            if [[ $part != - ]]; then
                tally_check_part "$path" "$part" "$name $version" || return 1
                path=$path/$part
            fi
            tally_pack_tree_python "$path" "$out/wheels/$file" "$name-$version"
            digest=$(sha256sum < "$out/wheels/$file")
            digest=sha256:${digest%% *}
        fi
        if [[ $file != *.whl ]]; then echo "$name $version $file" >> /build/sdists.txt; fi
        printf '%s==%s --hash=%s\n' "$name" "$version" "$digest"
    done < "$1" | LC_ALL=C sort -u > "$out/requirements.txt"
    if test -e "${tallyBeside_shippedPath-}"; then
        tally_list_shipped "$tallyBeside_shippedPath" < "$out/requirements.txt" > "$out/shipped.txt"
    fi
    if test -e "${tallyBeside_venvPath-}"; then
        tally_make_venv
    fi
}

# Of requirements those that a list has: users get these, and not what groups are for.
tally_list_shipped() { # LIST of NAME==VERSION
    local pin digest
    local -A shipped=()
    while read -r pin; do shipped[$pin]=yes; done < "$1"
    while read -r pin digest; do
        if [[ -n ${shipped[$pin]-} ]]; then echo "$pin $digest"; fi
    done
}

# That a tree has a folder of its own there: behind a link would be other files than the commit's.
tally_check_part() { # TREE PART CALLED
    local top
    if [[ ! -d $1/$2 ]]; then
        echo "tally: the tree of $3 has no folder $2" >&2
        return 1
    fi
    top=$(cd -P -- "$1" && pwd -P)
    if [[ $(cd -L -- "$top/$2" && pwd -L) != "$(cd -P -- "$top/$2" && pwd -P)" ]]; then
        echo "tally: in the tree of $3 the folder $2 is behind a link" >&2
        return 1
    fi
}

# A commit's tree as an sdist: pip makes a wheel of it as of any other.
tally_pack_tree_python() { # TREE FILE FOLDER
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u+w --transform "flags=r;s|^\.|$3|" \
        -C "$1" -cf - . | gzip -n > "$2"
}

# Nothing is compiled: files of bytecode hold times and paths. An sdist becomes a wheel first, made with what the toolchain
# has, since its lock says nothing of what builds it. Debian's pip comes without bytecode: what its first run compiles is kept
# aside for the next ones, and not for what pip starts to build an sdist.
tally_make_venv() {
    local name version file sdists=/build/sdists bytecode=/build/bytecode
    python3 -c 'import pip' || {
        echo "tally: venv = true needs pip: add python3-pip to the toolchain's packages" >&2
        return 1
    }
    export PIP_NO_INDEX=1 PIP_FIND_LINKS="$out/wheels $sdists" PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
    mkdir "$sdists"
    cp "$out/requirements.txt" /build/requirements.txt
    while read -r name version file; do
        mkdir /build/made
        python3 -X "pycache_prefix=$bytecode" -m pip wheel --no-deps --no-build-isolation \
            --wheel-dir /build/made "$out/wheels/$file" < /dev/null
        tally_pin_wheel /build/requirements.txt "$name" "$version" /build/made || return 1
        mv /build/made/*.whl "$sdists"
        rmdir /build/made
    done < <(LC_ALL=C sort -u /build/sdists.txt)
    python3 -m venv --without-pip "$out/venv"
    PYTHONPYCACHEPREFIX=$bytecode python3 -m pip --python "$out/venv/bin/python3" install --no-deps --no-compile \
        --no-warn-script-location --only-binary :all: --require-hashes --requirement /build/requirements.txt
}

# A wheel that was made here of an sdist has its own digest beside the sdist's: as that project, and as no other, whatever
# name the sdist gives it.
tally_pin_wheel() { # REQUIREMENTS NAME VERSION FOLDER
    local digest line wheels=("$4"/*.whl)
    local made=${wheels[0]##*/}
    if ((${#wheels[@]} != 1)) || [[ $(tally_project "${made%%-*}") != "$(tally_project "$2")" ]]; then
        echo "tally: the sdist of $2 $3 makes a wheel of another project: ${wheels[*]##*/}" >&2
        return 1
    fi
    digest=$(sha256sum < "${wheels[0]}")
    while read -r line; do
        if [[ ${line%% *} == "$2==$3" ]]; then line+=" --hash=sha256:${digest%% *}"; fi
        echo "$line"
    done < "$1" > "$1.new"
    mv "$1.new" "$1"
}

# A project's name as all its spellings are compared (Simple repository API, "Normalized names").
tally_project() { # NAME
    tr -s '._-' '-' <<< "${1,,}"
}

# What the recipe itself sets is left as it is.
tally_enter_python() { # FOLDER
    export PIP_NO_INDEX=${PIP_NO_INDEX-1} PIP_FIND_LINKS=${PIP_FIND_LINKS-$1/wheels}
    export PIP_COMPILE=${PIP_COMPILE-0} PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
    export PYTHONDONTWRITEBYTECODE=${PYTHONDONTWRITEBYTECODE-1}
    if test -d "$1/venv"; then
        export VIRTUAL_ENV=$1/venv
        PATH=$1/venv/bin:$PATH
    fi
}
