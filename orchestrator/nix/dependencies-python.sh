# Python: a folder of wheels and sdists for pip, all of them as requirements with their digests, and a virtual environment
# where a recipe asks for one. See nix/dependencies.nix for the list's lines.

tally_lay_out_python() { # LIST
    local path file name version digest
    mkdir "$out/wheels"
    while read -r path file name version digest _; do
        # two locks may have the same file
        ln -sfn "$path" "$out/wheels/$file"
        printf '%s==%s --hash=%s\n' "$name" "$version" "$digest"
    done < "$1" | LC_ALL=C sort -u > "$out/requirements.txt"
    if test -e "${tallyBeside_venvPath-}"; then
        tally_make_venv
    fi
}

# Nothing is compiled: files of bytecode hold times and paths. An sdist is built with what the toolchain has, since its lock
# says nothing of what builds it.
tally_make_venv() {
    local links=$out/wheels
    python3 -m pip --version > /dev/null || {
        echo "tally: venv = true needs pip: add python3-pip to the toolchain's packages" >&2
        return 1
    }
    python3 -m venv --without-pip "$out/venv"
    python3 -m pip --python "$out/venv/bin/python3" --disable-pip-version-check --no-cache-dir install --no-index \
        --find-links "$links" --no-deps --no-compile --no-build-isolation --no-warn-script-location \
        --require-hashes --requirement "$out/requirements.txt"
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
