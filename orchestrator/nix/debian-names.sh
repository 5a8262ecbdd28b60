# The names of what is in each package are written down while debian-packages.sh, which follows, unpacks it: decompressing
# takes most of the time of it all. debian-database.sh reads them, in the packages' order.
mkdir names
tar() { # -x -C FOLDER
    if test "$3" = "$out"; then
        command tar -v "$@" > "$NIX_BUILD_TOP/names/$number"
    else
        command tar "$@"
    fi
}
