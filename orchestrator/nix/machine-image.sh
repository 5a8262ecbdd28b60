# Makes the image of a virtual machine: vmlinuz, initrd, and root.squashfs, which is a root of Debian packages as it
# stands in the store. It holds no key and no name: each start brings its own.

modules="failover net_failover virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk
    virtio_net rng-core virtio-rng squashfs overlay"

mkdir -p "$out" kernel initrd/bin initrd/modules
(cd kernel && "$tallyBusybox" ar p "$kernel" data.tar.xz | tar -xJ)
cp kernel/boot/vmlinuz-* "$out/vmlinuz"

cp "$busybox/busybox" initrd/bin/busybox
cp "$start" initrd/init
cp "$run" initrd/run
chmod 755 initrd/init initrd/run
for module in $modules; do
    # some are part of the kernel itself
    find kernel/lib/modules -name "$module.ko" -exec cp {} "initrd/modules/$module.ko" \;
    test ! -e "initrd/modules/$module.ko" || echo "$module" >> initrd/modules/order
done
find initrd -exec touch -h -d @1 {} +
(cd initrd && find . | LC_ALL=C sort | cpio --quiet --reproducible -o -H newc -R 0:0 | gzip -9n) > "$out/initrd"

# lz4 costs an emulated processor the least; SOURCE_DATE_EPOCH gives the times
mksquashfs "$packages" "$out/root.squashfs" -quiet -no-progress -comp lz4 -all-root -no-xattrs
