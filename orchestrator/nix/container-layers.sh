# Assembles a root from the layers of an OCI image (image specification 1.1, "Image Layer Filesystem Changeset") with a
# static busybox alone. Each layer is unpacked with the root for its only file system, so that none reaches out of it.
set -eu -o pipefail

fail() {
    echo "tally: cannot assemble the container's root: $*" >&2
    exit 1
}

mkdir -p "$out/.tally"
cp "$builder" "$out/.tally/busybox"
inside() {
    "$builder" unshare -U -r "$builder" chroot "$out" /.tally/busybox "$@"
}

for layer in $(cat "$tallyLayersPath"); do
    case $(od -An -v -tx1 -N 4 "$layer" | tr -d ' \n') in
        1f8b*) gzip -dc "$layer" > layer.tar || fail "$layer is damaged" ;;
        28b52ffd) fail "$layer is packed with zstd, which the pinned busybox cannot decompress" ;;
        *) cp "$layer" layer.tar ;;
    esac
    tar -t -f layer.tar > listed 2> said || fail "$layer is no tar archive"
    # this tar leaves out the first part of such a path, and says so
    if grep -qE '(^|/)\.\.(/|$)' listed || grep -qF '..' said; then fail "$layer has a path that leaves the root"; fi
    # what a layer takes away is of those below it
    grep -E '(^|/)\.wh\.[^/]*$' listed > whiteouts || true
    while read -r path; do
        folder=$(dirname "$path")
        name=${path##*/}
        case $name in
            .wh..wh..opq) inside sh -c 'cd "/$1" && for each in * .[!.]* ..?*; do rm -rf "$each"; done' sh "$folder" ;;
            .wh..wh.*) ;;
            *) inside rm -rf "/$folder/${name#.wh.}" ;;
        esac
    done < whiteouts
    inside tar -x -o -f - -C / < layer.tar || fail "$layer cannot be unpacked"
    while read -r path; do rm -rf "$out/$path"; done < whiteouts
    chmod -R u+rwX,ug-s "$out"
done
rm -r "$out/.tally"
for needed in usr/bin/bash usr/bin/env usr/bin/unshare usr/bin/tar usr/bin/mkdir usr/bin/od; do
    test -e "$out/$needed" || test -L "$out/$needed" ||
        fail "the image has no /$needed: it needs bash, coreutils, tar and util-linux, and a /usr that is merged"
done
# what images keep their tools in
for folder in opt root; do
    if test -d "$out/$folder" && ! test -L "$out/$folder"; then mv "$out/$folder" "kept-$folder"; fi
done
kept=$PWD
cd "$out"

