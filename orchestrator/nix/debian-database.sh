# What dpkg knows of the packages in a root: which there are, whose each file is, what their libraries want. Follows
# debian-root.sh, after debian-names.sh, for sets that build Debian's own packages.
cd "$NIX_BUILD_TOP"
database=$out/var/lib/dpkg
mkdir -p "$database/info" "$database/updates" "$database/triggers"
echo 1 > "$database/info/format"
: > "$database/available"
number=100000 # as in debian-packages.sh
for deb in $(cat "$tallyPackagesPath"); do
    unpack "$deb" control control
    name=$(sed -n 's/^Package: *//p' control/control)
    if grep -q '^Multi-Arch: *same' control/control; then
        name=$name:$(sed -n 's/^Architecture: *//p' control/control)
    fi
    {
        sed -n 1p control/control
        echo "Status: install ok installed"
        sed '1d; /^$/d' control/control
        echo
    } >> "$database/status"
    sed 's,^\./*,/,; s,\(.\)/$,\1,; s,^/$,/.,' "names/$number" > "$database/info/$name.list"
    number=$((number + 1))
    for file in shlibs symbols triggers md5sums conffiles; do
        if test -e "control/$file"; then cp "control/$file" "$database/info/$name.$file"; fi
    done
    rm -rf control/* control/.[!.]*
done

# whose packages are made here, as base-files' postinst says: dpkg-buildflags hardens programs for Debian alone
if test -e "$out/etc/dpkg/origins/debian" && ! test -e "$out/etc/dpkg/origins/default"; then
    ln -s debian "$out/etc/dpkg/origins/default"
fi
