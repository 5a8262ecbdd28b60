# Archives of upstream's over the Debian root: each in a folder of its own, its programs by links in /usr/bin. Follows
# debian-root.sh. The lists have an entry an archive, and nothing in them has a blank.
cd "$NIX_BUILD_TOP"
set -- $tallyArchivePlaces
places=$*
set -- $tallyArchivePrograms
programs=$*
number=0
for archive in $tallyArchives; do
    set -- $places
    place=$out$1
    shift
    places=$*
    set -- $programs
    folders=$(echo "$1" | tr ':' ' ')
    shift
    programs=$*

    number=$((number + 1))
    if test -e "$place"; then fail "the archive for ${place#"$out"} would go over what is there already"; fi
    mkdir -p "${place%/*}"
    mv "archives/$number" "$place"
    for folder in $folders; do
        for program in "$place/$folder"/*; do
            if test -f "$program" && test -x "$program"; then
                ln -sfn "${program#"$out"}" "$out/usr/bin/${program##*/}"
            fi
        done
    done
done
