# Unpacks Debian packages with busybox and writes a starter for each of their programs.
set -eu -o pipefail
mkdir -p "$out/root/usr/bin" "$out/root/usr/lib" "$out/root/usr/lib64" "$out/bin"
for folder in bin lib lib64; do ln -s "usr/$folder" "$out/root/$folder"; done
for package in $packages; do
    ar p "$package" data.tar.xz | xz -dc | tar -x -C "$out/root"
done
rm -rf "$out/root/usr/share" "$out/root/etc" "$out/root/var"
for program in "$out"/root/usr/bin/*; do
    name=${program##*/}
    cat > "$out/bin/$name" <<END
#!$busybox sh
exec $out/root/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 --argv0 $out/bin/$name \\
    --library-path $out/root/usr/lib/x86_64-linux-gnu $program "\$@"
END
    chmod +x "$out/bin/$name"
done
