# One file of $package, $path, as it is. It is not executable: its NAR hash is then that of the plain bytes.
case /$path/ in
    */../* | //*)
        echo "tally: the artifact's path \"$path\" leads out of the package" >&2
        exit 1
        ;;
esac
if [[ ! -f $package/$path ]]; then
    echo "tally: the package holds no file \"$path\" for the artifact; it holds:" >&2
    # a name may hold line ends, and Nix's own words after one
    (cd "$package" && find . -type f -printf '%P\0' | sort -z | head -z -n 50 | tr '\n\r\0' '??\n') >&2
    exit 1
fi
target=$(realpath -e -- "$package/$path")
if [[ $target != "$(realpath -e -- "$package")"/* || -L $package ]]; then
    echo "tally: the artifact's path \"$path\" leads out of the package, to ${target@Q}" >&2
    exit 1
fi
cat -- "$package/$path" > "$out"
