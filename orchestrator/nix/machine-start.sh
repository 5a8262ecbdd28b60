#!/bin/busybox sh
# The first program of a virtual machine: lays its root over a new disk, takes what this start brought along, and
# hands over to /run of the initrd. Disks: a the packages, b empty and for all that is written, c a tar of this start's
# keys and settings, d swap.
/bin/busybox mkdir -p /proc /dev /packages /disk /root
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
echo "tallystick: started" > /dev/console # whoever waits for us knows that the processor works

while read -r module; do insmod "/modules/$module.ko"; done < /modules/order

fail() {
    echo "tallystick: cannot start: $*" > /dev/console
    poweroff -f
}

mount -t squashfs -o ro /dev/vda /packages || fail "the root cannot be mounted"
mount -o bind /dev /packages/dev
chroot /packages /usr/sbin/mkfs.ext4 -q -m 0 -O ^has_journal -E lazy_itable_init=1,nodiscard /dev/vdb ||
    fail "the disk cannot be formatted"
umount /packages/dev
mount -t ext4 -o noatime /dev/vdb /disk || fail "the disk cannot be mounted"
mkdir /disk/root /disk/work /disk/nix
mount -t overlay -o lowerdir=/packages,upperdir=/disk/root,workdir=/disk/work root /root || fail "no overlay"
mount -o bind /disk/nix /root/nix
mkswap /dev/vdd > /dev/null && swapon /dev/vdd || fail "no swap"

tar -x -C /root -f /dev/vdc || fail "nothing was brought along"
cp /run /root/tallystick/run
cp /bin/busybox /root/tallystick/busybox
umount /proc
mount -o move /dev /root/dev
exec switch_root /root /tallystick/run
