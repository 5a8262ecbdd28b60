# Archives of upstream's over the Debian root: each in a folder of its own, its programs by links in /usr/bin. Follows
# debian-root.sh. The lists have an entry an archive, and nothing in them has a blank.
cd "$NIX_BUILD_TOP"
set -- $tallyArchivePlaces
places=$*
set -- $tallyArchivePrograms
programs=$*
for archive in $tallyArchives; do
    set -- $places
    place=$out$1
    shift
    places=$*
    set -- $programs
    folders=$(echo "$1" | tr ':' ' ')
    shift
    programs=$*

    rm -rf unpacked
    mkdir unpacked
    magic=$(od -An -v -tx1 -N 6 "$archive" | tr -d ' \n')
    case $magic in
        504b0304*) unzip -q -o "$archive" -d unpacked ;;
        1f8b*) gzip -dc "$archive" | tar -x -C unpacked ;;
        fd377a58*) xz -dc "$archive" | tar -x -C unpacked ;;
        425a68*) bzip2 -dc "$archive" | tar -x -C unpacked ;;
        *) tar -x -f "$archive" -C unpacked ;;
    esac || fail "$archive cannot be unpacked: it has to be a .tar, plain or with gz, xz or bz2, or a .zip"
    # what is in one folder alone is in that
    count=0
    for entry in unpacked/* unpacked/.[!.]*; do
        if test -e "$entry" || test -L "$entry"; then
            count=$((count + 1))
            top=$entry
        fi
    done
    if test "$count" != 1 || ! test -d "$top" || test -L "$top"; then top=unpacked; fi
    if test -e "$place"; then fail "the archive for ${place#"$out"} would go over what is there already"; fi
    mkdir -p "${place%/*}"
    mv "$top" "$place"
    chmod -R u+rwX,go+rX,ug-s "$place"
    for folder in $folders; do
        test -d "$place/$folder" || fail "${place#"$out"} has no folder $folder, which \`path\` names"
        for program in "$place/$folder"/*; do
            if test -f "$program" && test -x "$program"; then
                ln -sfn "${program#"$out"}" "$out/usr/bin/${program##*/}"
            fi
        done
    done
done
