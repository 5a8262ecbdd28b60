#!/tallystick/busybox sh
# The virtual machine as a builder's host: an ssh server, a Nix, and memory to build in. What this start brought along is
# in /tallystick: host_key and authorized_keys, and settings, which say UPTIME, the seconds that it seems to have been up
# for longer.
export PATH=/usr/sbin:/usr/bin HOME=/root
b=/tallystick/busybox
. /tallystick/settings

$b mkdir -p /sys /root /nix/store /nix/var/nix
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t tmpfs -o mode=755 run /run
$b mkdir -p /dev/pts /dev/shm /run/sshd
$b mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
$b mount -t tmpfs shm /dev/shm
[ -e /dev/fd ] || $b ln -s /proc/self/fd /dev/fd

cat > /etc/passwd <<'END'
root:x:0:0:root:/root:/bin/sh
sshd:x:105:65534::/run/sshd:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/:/usr/sbin/nologin
END
cat > /etc/group <<'END'
root:x:0:
tty:x:5:
nogroup:x:65534:
END
mkdir -p /etc/nix
cat > /etc/nix/nix.conf <<'END'
build-users-group =
sandbox = true
sandbox-fallback = false
substitute = false
experimental-features = nix-command flakes
END
cat > /etc/ssh/sshd_config <<'END'
HostKey /tallystick/host_key
AuthorizedKeysFile /tallystick/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
DisableForwarding yes
MaxSessions 100
PidFile none
SetEnv TMPDIR=/build
END

$b hostname -F /etc/hostname
$b ip link set lo up
# qemu's user network, restricted: no route, no name server, nothing to reach
$b ip addr add 10.0.2.15/24 dev eth0
$b ip link set eth0 up

# Builds are made in memory, and swap carries what is too much for it: a file system of its own kind, with a number of
# its own, whatever the host has.
$b awk '/^(MemTotal|SwapTotal):/ { size += $2 } END { printf "%d", size * 0.8 }' /proc/meminfo > /run/size
$b mount -t tmpfs -o "mode=755,size=$(cat /run/size)k" build /build

exec /usr/bin/unshare --time --boottime "$UPTIME" --fork -- /usr/sbin/sshd -D -e
