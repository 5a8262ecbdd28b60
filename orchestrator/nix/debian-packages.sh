# Assembles a root from Debian packages with a static busybox alone. What dpkg would run (maintainer scripts,
# triggers) is not run; of it, the alternatives are set up, since compilers and awk hang on them.
set -eu -o pipefail

fail() {
    echo "tally: cannot assemble the Debian root: $*" >&2
    exit 1
}

# one member of a .deb, unpacked into a folder: unpack DEB data|control FOLDER
unpack() {
    member=$(ar t "$1" | grep "^$2\.tar") || fail "$1 has no $2.tar: it is no Debian package"
    case $member in
        *.xz) decompress="xz -dc" ;;
        *.gz) decompress="gzip -dc" ;;
        *.tar) decompress="cat" ;;
        *) fail "$1 holds $member, which the pinned busybox cannot decompress" ;;
    esac
    ar p "$1" "$member" | $decompress | tar -x -C "$3" || fail "$1 is damaged"
}

# /usr is merged from the start: what a package puts below /bin or /lib goes through these links
mkdir -p "$out/usr"
mkdir "$out/etc"
for folder in bin sbin lib lib32 lib64 libx32; do
    mkdir "$out/usr/$folder"
    ln -s "usr/$folder" "$out/$folder"
done

mkdir control scripts
number=100000 # the scripts' names keep the packages' order
for deb in $(cat "$tallyPackagesPath"); do
    unpack "$deb" data "$out"
    unpack "$deb" control control
    if test -e control/postinst; then
        mv control/postinst "scripts/$number"
    fi
    number=$((number + 1))
    rm -rf control/* control/.[!.]*
done
for folder in bin sbin lib lib32 lib64 libx32; do
    test -L "$out/$folder" || fail "a package replaces the link /$folder"
done

(cd "$out" && find . ! -type d) > listed
set -- scripts/*
if test -e "$1"; then
    awk -f "$alternatives" listed "$@"
fi > chosen
mkdir -p "$out/etc/alternatives"
while read -r link name path; do
    if test -e "$out$link" && ! test -L "$out$link"; then continue; fi
    mkdir -p "$out${link%/*}"
    ln -sfn "$path" "$out/etc/alternatives/$name"
    ln -sfn "/etc/alternatives/$name" "$out$link"
done < chosen
test -e "$out/usr/bin/sh" || test -L "$out/usr/bin/sh" || ln -s bash "$out/usr/bin/sh"

# documentation goes, licences stay; a link between documentation folders leads to a licence
cd "$out"
rm -rf usr/share/man usr/share/info usr/share/locale usr/share/lintian usr/share/bug usr/share/doc-base
if test -d usr/share/doc; then
    find usr/share/doc -mindepth 2 ! -type d ! -name copyright -exec rm -f {} +
    find usr/share/doc -depth -type d -exec rmdir --ignore-fail-on-non-empty {} +
fi
