# Of an image, what is not the machine's goes back, and what its PATH names is in /usr/bin by links. Follows debian-root.sh.
for folder in opt root; do
    if test -e "$kept/kept-$folder"; then
        mv "$kept/kept-$folder" "$out/$folder"
        chmod -R go+rX "$out/$folder"
    fi
done
for folder in $tallyPath; do
    for program in "$out$folder"/*; do
        if test -f "$program" && test -x "$program"; then
            ln -sfn "${program#"$out"}" "$out/usr/bin/${program##*/}"
        fi
    done
done
