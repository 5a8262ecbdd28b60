# The NAR serialisation of $package ("The Purely Functional Software Deployment Model", figure 5.2): what `nix-store --dump`
# writes, written by bash, since there is no Nix in here.
export LC_ALL=C # names are sorted by their bytes
shopt -s dotglob nullglob

zeros() { # COUNT 0..7
    local i
    for ((i = 0; i < $1; i++)); do printf '\0'; done
}

length() { # a number as 64 bits, the lowest byte first
    local i escaped=
    for ((i = 0; i < 64; i += 8)); do
        printf -v escaped '%s\\x%02x' "$escaped" $((($1 >> i) & 255))
    done
    printf '%b' "$escaped"
}

words() { # strings: length, bytes, zeros up to a multiple of 8
    local word
    for word; do
        length "${#word}"
        printf '%s' "$word"
        zeros $((-${#word} & 7))
    done
}

node() { # PATH
    local size name target
    words '('
    if [[ -L $1 ]]; then
        target=$(readlink -n -- "$1"; echo .) # the dot keeps line ends that the target ends in
        words type symlink target "${target%.}"
    elif [[ -d $1 ]]; then
        words type directory
        for name in "$1"/*; do
            words entry '(' name "${name##*/}" node
            node "$name"
            words ')'
        done
    else
        size=$(stat -c %s -- "$1")
        words type regular
        if [[ -x $1 ]]; then words executable ''; fi
        words contents
        length "$size"
        cat -- "$1"
        zeros $((-size & 7))
    fi
    words ')'
}

{
    words nix-archive-1
    node "$package"
} > "$out"
