# What a build prints is only ever output. Nix takes a line that begins with "@nix " for a message of its own, and may fail
# over it: tally_only_output puts a blank before one. Of a line with carriage returns, which Nix lays over each other, the
# last part stays. It ends at a line that ends in $tallyEnd, since what outlives the script may hold its input open.
tally_only_output() {
    local edit=(sed -u) # reads byte by byte
    if command -v stdbuf > /dev/null; then edit=(stdbuf -oL sed); fi
    LC_ALL=C exec "${edit[@]}" -e "s/$tallyEnd\$//" -e 't end' -e 's/\r*$//; s/.*\r//; s/^@nix / &/' -e b \
        -e :end -e 's/\r*$//; s/.*\r//; s/^@nix / &/; /./!Q; q'
}

# From here on this shell and its children print through the filter. Nix kills a build as soon as nobody holds its output
# open any more, so this shell does, as $tallyOutput.
tally_print_through_filter() {
    tallyEnd="tally: the end $RANDOM$RANDOM$RANDOM$RANDOM"
    exec {tallyOutput}>&1
    exec > >(tally_only_output) 2>&1
    tallyFilter=$!
}

# Prints a last line, if there is one, and waits until all that was printed has come through.
tally_end_output() { # LINE
    trap '' PIPE
    if [[ -n $1 ]]; then echo "$1" || true; fi
    echo "$tallyEnd" || true
    exec > /dev/null 2>&1
    wait "$tallyFilter" || true
}
