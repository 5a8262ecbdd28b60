# Which alternatives Debian's packages set up: reads their postinst scripts, in the packages' order, and prints
# "LINK NAME PATH" a line. Of several paths for a name the highest priority wins, the earlier package on a tie,
# as with update-alternatives(1). Only literal paths count: what a script computes is left out, and a path that
# is not in the root too. The first file lists what is: paths below the root, from `find .`.

function literal(word) { return word ~ /^\/[A-Za-z0-9\/._+:@[-]+$/ && word !~ /\.\./ }

function present(path) {
    sub(/^\/(s?bin|lib|lib32|lib64|libx32)\//, "/usr&", path)
    return ("." path) in listed
}

function unquoted(word) {
    gsub(/["']/, "", word)
    sub(/;$/, "", word)
    return word
}

# `NAME=value` on a line of its own is what the name stands for from there on; another value, or one that is
# computed, read or looped over, makes it unknown for the rest of the script
function read_variable(text,    name, value) {
    if (match(text, /^[ \t]*(for|read)[ \t]+[A-Za-z_][A-Za-z0-9_]*/)) {
        name = substr(text, RSTART, RLENGTH)
        sub(/^[ \t]*(for|read)[ \t]+/, "", name)
        unknown[name]
        return
    }
    if (!match(text, /(^|[ \t;&|(])[A-Za-z_][A-Za-z0-9_]*=/)) return
    name = substr(text, RSTART, RLENGTH - 1)
    sub(/^[ \t;&|(]/, "", name)
    value = substr(text, RSTART + RLENGTH)
    sub(/[ \t;]+$/, "", value)
    if (value ~ /^"[^"]*"$/ || value ~ /^'[^']*'$/) value = substr(value, 2, length(value) - 2)
    if (substr(text, 1, RSTART) ~ /[^ \t]/ && RSTART > 1 || value !~ /^[A-Za-z0-9\/._+:@-]+$/ ||
        (name in known && known[name] != value)) { unknown[name]; return }
    known[name] = value
}

function expanded(word,    name, done) {
    while (match(word, /[$]([{][A-Za-z_][A-Za-z0-9_]*[}]|[A-Za-z_][A-Za-z0-9_]*)/)) {
        name = substr(word, RSTART + 1, RLENGTH - 1)
        gsub(/[{}]/, "", name)
        if (!(name in known) || name in unknown) return done word
        done = done substr(word, 1, RSTART - 1) known[name]
        word = substr(word, RSTART + RLENGTH)
    }
    return done word
}

function read_command(text,    word, count, i, name, priority, lines, kept) {
    count = split(text, word, /[ \t]+/)
    for (i = 1; i <= count; i++) {
        if (word[i] ~ /^#/) { count = i - 1; break }
        word[i] = expanded(unquoted(word[i]))
    }
    for (i = 1; i <= count && word[i] !~ /^(\/usr\/s?bin\/)?update-alternatives$/; i++);
    for (; i <= count && word[i] != "--install"; i++);
    name = word[i + 2]; priority = word[i + 4]
    if (i + 4 > count || !literal(word[i + 1]) || !literal(word[i + 3])) return
    if (name !~ /^[A-Za-z0-9._+:@[-]+$/ || priority !~ /^-?[0-9]+$/ || !present(word[i + 3])) return
    if (name in best && best[name] >= priority + 0) return
    if (!(name in best)) order[++names] = name
    best[name] = priority + 0
    lines = word[i + 1] " " name " " word[i + 3]
    for (i += 5; i + 3 <= count && word[i] == "--slave"; i += 4) {
        kept = literal(word[i + 1]) && literal(word[i + 3]) && word[i + 2] ~ /^[A-Za-z0-9._+:@[-]+$/
        if (kept && present(word[i + 3])) lines = lines "\n" word[i + 1] " " word[i + 2] " " word[i + 3]
    }
    chosen[name] = lines
}

NR == FNR { listed[$0]; next }
FNR == 1 { command = ""; split("", known); split("", unknown) }
{
    command = command " " $0
    # a comment hides its line's end from the shell, the backslash too
    if ($0 ~ /\\$/ && $0 !~ /^[ \t]*#/) { sub(/\\$/, "", command); next }
    read_variable(command)
    read_command(command)
    command = ""
}
END { for (i = 1; i <= names; i++) print chosen[order[i]] }
