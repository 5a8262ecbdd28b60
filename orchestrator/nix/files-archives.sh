# Archives of upstream's, unpacked and looked at before anything is assembled: what is wrong with one is told at once. The
# folder archives/N of each is what it holds, without a top folder that holds all. Precedes debian-packages.sh.
set -eu -o pipefail

refuse() {
    echo "tally: cannot assemble the toolchain: $*" >&2
    exit 1
}

mkdir archives
number=0
for archive in $tallyArchives; do
    number=$((number + 1))
    rm -rf unpacked
    mkdir unpacked
    magic=$(od -An -v -tx1 -N 6 "$archive" | tr -d ' \n')
    case $magic in
        504b0304*) unzip -q -o "$archive" -d unpacked ;;
        1f8b*) gzip -dc "$archive" | tar -x -C unpacked ;;
        fd377a58*) xz -dc "$archive" | tar -x -C unpacked ;;
        425a68*) bzip2 -dc "$archive" | tar -x -C unpacked ;;
        *) tar -x -f "$archive" -C unpacked ;;
    esac || refuse "$archive cannot be unpacked: it has to be a .tar, plain or with gz, xz or bz2, or a .zip"
    # what is in one folder alone is in that
    count=0
    for entry in unpacked/* unpacked/.[!.]*; do
        if test -e "$entry" || test -L "$entry"; then
            count=$((count + 1))
            top=$entry
        fi
    done
    if test "$count" != 1 || ! test -d "$top" || test -L "$top"; then top=unpacked; fi
    mv "$top" "archives/$number"
    chmod -R u+rwX,go+rX,ug-s "archives/$number"
done

number=0
set -- $tallyArchivePlaces
for folders in $tallyArchivePrograms; do
    number=$((number + 1))
    for folder in $(echo "$folders" | tr ':' ' '); do
        test -d "archives/$number/$folder" || refuse "$1 has no folder $folder, which \`path\` names"
    done
    shift
done
