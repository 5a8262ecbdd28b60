# What this build sees, a fact a line. Shell builtins alone: there is no other program here but `unshare`.
{
    while read -r line; do
        case $line in *:*) echo "interface ${line%%:*}" ;; esac
    done < /proc/net/dev

    while read -r key value _; do
        case $key in Uid:) echo "uid $value" ;; esac
    done < /proc/self/status

    echo "directory $PWD"
    read -r name < /proc/sys/kernel/hostname
    echo "host $name"

    for entry in /* /.[!.]*; do
        if test -e "$entry"; then echo "root ${entry#/}"; fi
    done

    export -p | while read -r _ line; do
        echo "variable ${line%%=*}"
    done

    if test -r "$hostFile"; then echo "hostfile visible"; fi

    if test -e "$tools/unshare"; then
        # $start is one or more words on purpose
        echo "nested $($start "$tools/unshare" -U -r -m $start "$tools/sh" -c 'echo works' 2>&1)"
    fi
} > "$out"
