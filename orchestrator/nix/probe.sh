# Writes what this build sees. Run by the static busybox alone.
set -eu -o pipefail

# the lines of standard input as a JSON list of strings, sorted
list() {
    sort | awk '
        { gsub(/\\/, "\\\\"); gsub(/"/, "\\\""); gsub(/[[:cntrl:]]/, "?"); text = text (NR > 1 ? "," : "") "\"" $0 "\"" }
        END { print "[" text "]" }'
}

interfaces() { awk 'NR > 2 { sub(/:.*/, ""); sub(/^ */, ""); print }' /proc/net/dev; }
entries() { ls -A /; }
variables() { awk 'BEGIN { for (name in ENVIRON) print name }'; }

visible() { # nothing is read: `test` asks the kernel
    for file in $hostFiles; do
        if test -r "$file"; then echo true; return; fi
    done
    echo false
}

# a route that is not the loopback's leads out; nothing is sent
routes() {
    { sed 1d /proc/net/route; awk '{ print $NF }' /proc/net/ipv6_route 2> /dev/null || :; } |
        awk '$1 != "lo" { found = 1 } END { print found ? "true" : "false" }'
}

# one line as a JSON string; where there is none, an empty one
string() { { head -n 1; echo; } | head -n 1 | list | sed 's/^\[//; s/\]$//'; }
# Arm's processors have no names, but numbers for who made them and what they are
model() {
    awk -F '[[:space:]]*: *' '
        $1 == "model name" { named = 1; print $2; exit }
        $1 == "CPU implementer" { made = $2 }
        $1 == "CPU part" { part = $2 }
        END { if (!named && part != "") print "Arm implementer " made " part " part }' /proc/cpuinfo
}
flags() { grep -m 1 -E '^(flags|Features)' /proc/cpuinfo | sha256sum | cut -d ' ' -f 1; }
first() { cut -d . -f 1 | cut -d ' ' -f 1; }

# names of no order, so that a file system that lists them sorted is seen to differ too
order() {
    mkdir order
    for number in 17 3 29 11 23 5 31 2 19 13 37 7 41 1 47 43; do : > "order/file-$number"; done
    find order | sha256sum | cut -c 1-16
}

cat > "$out" <<END
{
  "interfaces": $(interfaces | list),
  "networkReachable": $(routes),
  "uid": $(id -u),
  "gid": $(id -g),
  "buildDirectory": $(pwd | string),
  "hostName": $(hostname | string),
  "rootEntries": $(entries | list),
  "environment": $(variables | list),
  "hostFileVisible": $(visible),
  "bootId": $(string < /proc/sys/kernel/random/boot_id),
  "kernel": $(uname -s -r | string),
  "machine": $(uname -m | string),
  "kernelVersion": $(uname -v | string),
  "cpuModel": $(model | string),
  "cpuFlags": $(flags | string),
  "cpuCount": $(nproc),
  "buildCores": ${NIX_BUILD_CORES:-0},
  "memory": $(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo),
  "fileSystem": $(stat -f -c %T . | string),
  "device": $(stat -c %d .),
  "directoryOrder": $(order | string),
  "clock": $(date +%s),
  "uptime": $(first < /proc/uptime)
}
END
