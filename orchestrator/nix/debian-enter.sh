# From Nix's sandbox into a Debian root: runs as root of a user namespace that holds this user alone, with mounts of its
# own. Ends as the script $1, user 1000 in a further namespace, without any right over these mounts.
set -eu

fail() {
    echo "tally: cannot enter the Debian root: $*" >&2
    exit 1
}

root=/tmp/tally-root
mkdir "$root" /tmp/tally-tmp || fail "the sandbox has no /tmp to write in"
chmod 1777 /tmp/tally-tmp
mkdir -p /build/home

# The root's own folders for these are empty. /nix and /dev hold mounts of Nix's, hence rbind.
mount -o bind "$tallyRoot" "$root" || fail "this sandbox allows no mounts"
for folder in nix dev proc; do
    mount -o rbind "/$folder" "$root/$folder"
done
mount -o bind /build "$root/build"
mount -o bind /tmp/tally-tmp "$root/tmp"

# Inputs of the build belong to this user, too, when Nix runs without a daemon: each becomes a mount of its own, to
# make it read-only below. Outputs do not exist yet.
for path in "$root"/nix/store/*; do
    test -L "$path" || mount -o bind "$path" "$path"
done

# Where Nix runs as root, the build's user is root to the kernel outside: what the whole machine shares through /proc
# and through device nodes is not for it to write. The list is that of OCI runtimes, and the nodes' times and modes
# are shared state, too; what is written into a device still goes there.
for path in acpi bus driver fs irq mtrr scsi sys sysrq-trigger; do
    if test -e "$root/proc/$path"; then mount -o bind "$root/proc/$path" "$root/proc/$path"; fi
done
for path in "$root"/dev/*; do
    if test -c "$path" && ! test -L "$path"; then mount -o bind "$path" "$path"; fi
done

# A mount keeps the restrictions that it came with: the kernel refuses to lift them (mount_namespaces(7)).
awk -v root="$root" '
    function shared(path) { return path ~ /^\/proc\/./ || (path ~ /^\/dev\/./ && path !~ /^\/dev\/(pts|shm|mqueue)/) }
    $5 == root || index($5, root "/nix/store/") == 1 || (index($5, root) == 1 && shared(substr($5, length(root) + 1))) {
        kept = "remount,bind,ro"
        count = split($6, option, ",")
        for (i = 1; i <= count; i++)
            if (option[i] ~ /^(nosuid|nodev|noexec|noatime|nodiratime|relatime)$/) kept = kept "," option[i]
        print kept, $5
    }' /proc/self/mountinfo > /tmp/tally-mounts
while read -r options path; do
    mount -o "$options" "$path" || fail "$path cannot be made read-only"
done < /tmp/tally-mounts

# The script's environment, as arguments of env(1): what recipes may change, the recipe's, what they may not. Values are
# read by name and quoted: they are data. Names were checked when the derivation was made.
script=$1
set -- USER=builder LOGNAME=builder LANG=C.UTF-8 LC_ALL=C.UTF-8 TZ=UTC TERM=dumb \
    PYTHONHASHSEED=0 PERL_HASH_SEED=0 GOTOOLCHAIN=local GOPROXY=off GOSUMDB=off \
    GOCACHE=/build/home/.cache/go-build GOPATH=/build/home/go
for name in $tallyVariables; do
    eval "value=\$tallyVariable_$name"
    set -- "$@" "$name=$value"
done
for name in ${outputs-out}; do
    eval "value=\$$name"
    set -- "$@" "$name=$value"
done
for name in ${passAsFile-}; do
    eval "value=\$${name}Path"
    set -- "$@" "${name}Path=$value"
done
# 1980 is the first year that a ZIP file can tell; `builder` is the busybox that runs this
set -- "$@" tallyBusybox="$builder" PATH=/usr/bin:/usr/sbin HOME=/build/home SHELL=/bin/bash \
    SOURCE_DATE_EPOCH=315532800 NIX_BUILD_CORES="$NIX_BUILD_CORES"

umask 022
cd "$root"
pivot_root . mnt
cd /build
umount -l /mnt
exec /usr/bin/unshare --user --map-user=1000 --map-group=100 -- /usr/bin/env -i "$@" \
    /bin/bash -eu -o pipefail "$script"
