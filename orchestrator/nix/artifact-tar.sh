# An archive of $package that holds one folder, $label; its bytes depend on the package's content alone.
# A store may hard-link equal files (`nix-store --optimise`): --hard-dereference writes each in full.
# The store takes write permission from everyone; an unpacked release should be its owner's to delete.
if [[ ! -d $package || -L $package ]]; then
    echo "tally: the package is no folder: let the script make a folder \$out, e.g. with \$out/bin in it" >&2
    exit 1
fi

archive() {
    tar --create --directory "$package" --format gnu --sort name --hard-dereference \
        --owner 0 --group 0 --numeric-owner --mtime @1 --mode u+w \
        --transform "flags=rSh;s,^\\.\\(/\\|\$\\),$label\\1," .
}

case $format in
    tar.gz) archive | gzip -n -9 > "$out" ;;
    tar.xz) archive | xz -6 -T1 > "$out" ;;
    tar.zst) archive | zstd -q -12 --single-thread > "$out" ;;
    *)
        echo "tally: no artifact can have the format $format" >&2
        exit 1
        ;;
esac
