# Python: a folder of wheels and sdists for pip, all of them as requirements with their digests, and a virtual environment
# where a recipe asks for one. See nix/dependencies.nix for the list's lines.

tally_lay_out_python() { # LIST
    local path file name version digest rev part
    mkdir "$out/wheels"
    while read -r path file name version digest rev _ part; do
        if [[ $rev == - ]]; then
            # two locks may have the same file
            ln -sfn "$path" "$out/wheels/$file"
        else
            file=$out/wheels/$name-$version.tar.gz
            if [[ $part != - ]]; then path=$path/$part; fi
            tally_pack_tree_python "$path" "$file" "$name-$version"
            digest=$(sha256sum < "$file")
            digest=sha256:${digest%% *}
        fi
        printf '%s==%s --hash=%s\n' "$name" "$version" "$digest"
    done < "$1" | LC_ALL=C sort -u > "$out/requirements.txt"
    if test -e "${tallyBeside_venvPath-}"; then
        tally_make_venv
    fi
}

# A commit's tree as an sdist: pip makes a wheel of it as of any other.
tally_pack_tree_python() { # TREE FILE FOLDER
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u+w --transform "flags=r;s|^\.|$3|" \
        -C "$1" -cf - . | gzip -n > "$2"
}

# Nothing is compiled: files of bytecode hold times and paths. An sdist becomes a wheel first, made with what the toolchain
# has, since its lock says nothing of what builds it.
tally_make_venv() {
    local file sdists=/build/sdists
    python3 -m pip --version > /dev/null || {
        echo "tally: venv = true needs pip: add python3-pip to the toolchain's packages" >&2
        return 1
    }
    export PIP_NO_INDEX=1 PIP_FIND_LINKS="$out/wheels $sdists" PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
    mkdir "$sdists"
    cp "$out/requirements.txt" /build/requirements.txt
    for file in "$out"/wheels/*; do
        if [[ $file != *.whl ]]; then
            python3 -m pip wheel --no-deps --no-build-isolation --wheel-dir "$sdists" "$file"
        fi
    done
    for file in "$sdists"/*.whl; do
        if test -e "$file"; then tally_pin_wheel "$file"; fi
    done
    python3 -m venv --without-pip "$out/venv"
    python3 -m pip --python "$out/venv/bin/python3" install --no-deps --no-compile --no-warn-script-location \
        --only-binary :all: --require-hashes --requirement /build/requirements.txt
}

# A wheel that was made here has its own digest beside that of its sdist.
tally_pin_wheel() { # FILE
    local digest name=${1##*/}
    digest=$(sha256sum < "$1")
    name=${name%%-*}
    name=${name//[._]/-}
    sed -i "s/^${name,,}==.*/& --hash=sha256:${digest%% *}/" /build/requirements.txt
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
