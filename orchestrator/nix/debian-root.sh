# nothing of a machine: no state of its own, no accounts but the build's
rm -rf boot dev home media mnt opt proc root run srv sys tmp var
mkdir build dev mnt nix proc run tmp var
ln -s /tmp var/tmp
ln -s /run var/run
rm -rf etc/passwd- etc/shadow etc/gshadow etc/hostname etc/resolv.conf etc/machine-id
cat > etc/passwd <<'END'
root:x:0:0:root:/build/home:/bin/sh
builder:x:1000:100:builder:/build/home:/bin/bash
nobody:x:65534:65534:nobody:/:/usr/sbin/nologin
END
cat > etc/group <<'END'
root:x:0:
users:x:100:
nogroup:x:65534:
END
cat > etc/hosts <<'END'
127.0.0.1 localhost
::1 localhost
END
cat > etc/nsswitch.conf <<'END'
passwd: files
group: files
hosts: files
services: files
protocols: files
END

for needed in usr/bin/bash usr/bin/env usr/bin/unshare usr/bin/tar; do
    test -e "$needed" || fail "no package of the set brings /$needed"
done
