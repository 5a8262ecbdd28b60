# npm: a cache that holds every tarball by its digest, as cacache lays it out (content-v2), where `npm ci --offline` finds
# what a lock has the integrity of. See nix/dependencies.nix for the list's lines.

tally_lay_out_npm() { # LIST
    local path digest hex
    while read -r path _ _ _ digest _; do
        hex=${digest#*:}
        hex=$out/_cacache/content-v2/${digest%%:*}/${hex:0:2}/${hex:2:2}/${hex:4}
        test -e "$hex" || install -D -m 444 "$path" "$hex"
    done < "$1"
}

# npm writes into its cache, too. Packages' own scripts run where the recipe's variables say so, and nowhere else.
tally_enter_npm() { # FOLDER
    mkdir -p "$HOME/.npm/_cacache"
    ln -s "$1/_cacache/content-v2" "$HOME/.npm/_cacache/content-v2"
    export npm_config_cache=$HOME/.npm npm_config_offline=true
    export npm_config_ignore_scripts=${npm_config_ignore_scripts-true}
    export npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
}
