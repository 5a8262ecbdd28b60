# npm: a cache that holds every tarball by its digest, as cacache lays it out (content-v2), where `npm ci --offline` finds
# what a lock has the integrity of. For yarn 1 its offline mirror, and for pnpm and yarn 4 what a registry serves, both of links.
# See nix/dependencies.nix for the list's lines.

# No registry is asked. One that is nobody's stands for all where a lock does not say where a tarball is.
tally_npm_registry=https://registry.invalid/

tally_lay_out_npm() { # LIST
    local path name version digest rev address hex
    while read -r path _ name version digest rev address _; do
        if [[ $rev != - ]]; then
            tally_pack_npm "$path" "$rev" "$address"
            continue
        fi
        hex=${digest#*:}
        hex=$out/_cacache/content-v2/${digest%%:*}/${hex:0:2}/${hex:2:2}/${hex:4}
        test -e "$hex" || install -D -m 444 "$path" "$hex"
        if [[ $address == mirror://npm/* ]]; then
            echo "$path $name $version $digest ${address#mirror://npm/}" >> unplaced
        fi
        if [[ -n ${tallyBeside_yarnPath-} ]]; then
            tally_link_npm "$path" "$out/yarn/$(tally_mirrored_npm "$address")"
        fi
        if [[ -n ${tallyBeside_pnpmPath-}${tallyBeside_berryPath-} ]]; then
            tally_link_npm "$path" "$out/registry/$name/-/${name##*/}-$version.tgz"
        fi
        if [[ $address == http* && -n ${tallyBeside_pnpmPath-} ]]; then
            tally_place_npm "$path" "$address"
        fi
    done < "$1"
    if [[ -e unplaced ]]; then
        tally_index_npm unplaced
    fi
}

# A commit's tree as the archive that npm would ask its host for: `tarballtemplate` of hosted-git-info's `lib/hosts.js`.
tally_pack_npm() { # TREE COMMIT ADDRESS
    local address base content digest project packed=$PWD/packed-$2.tgz
    test -e "$packed" ||
        tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u+w --transform "flags=r;s|^\.|package|" \
            -C "$1" -cf - . | gzip -n > "$packed"
    digest=$(sha512sum < "$packed")
    digest=sha512:${digest%% *}
    content=$out/_cacache/content-v2/sha512/${digest:7:2}/${digest:9:2}/${digest:11}
    test -e "$content" || install -D -m 444 "$packed" "$content"
    project=${3%@"$2"}
    project=${project%.git}
    base=${project##*/}
    project=${project#git+https://*/}
    if [[ -n ${tallyBeside_yarnPath-} ]]; then
        # what yarn 1 packs of a repository has no folder on top and is not compressed: its `src/fetchers/git-fetcher.js`
        mkdir -p "$out/yarn"
        tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u+w -C "$1" -cf "$out/yarn/$base.git-$2" .
        ln -sf "$base.git-$2" "$out/yarn/$base-$2"
    fi
    while read -r address; do
        test -n "$address" || continue # of another host, which yarn 1 alone has
        echo "$packed - - $digest $address" >> unplaced
        if [[ -n ${tallyBeside_yarnPath-} ]]; then tally_link_npm "$content" "$out/yarn/$(tally_mirrored_npm "${address%%\?*}")"; fi
        if [[ -n ${tallyBeside_pnpmPath-} ]]; then tally_place_npm "$content" "$address"; fi
    done << END
$(case $3 in
    git+https://github.com/*) echo "https://codeload.github.com/$project/tar.gz/$2" ;;
    git+https://bitbucket.org/*) echo "https://bitbucket.org/$project/get/$2.tar.gz" ;;
    git+https://gitlab.com/*)
        echo "https://gitlab.com/$project/repository/archive.tar.gz?ref=$2"
        echo "https://gitlab.com/api/v4/projects/${project/\//%2F}/repository/archive.tar.gz?ref=$2" # pnpm
        echo "https://gitlab.com/api/v4/projects/${project/\//%2F}/repository/archive.tar.gz?sha=$2" # since npm 10
        ;;
esac)
END
    # npm would install what the package is developed with, unless it seems to be doing so already: pacote's `lib/git.js`
    address=${3%@"$2"}#$2
    printf '%s\n' "git+ssh://git@${address#git+https://}" "$address" "${address#git+}" >> "$out/prepared"
    echo "$2 $1 ${address#git+}" >> "$out/trees"
}

# What is asked for at an address of its own, as pnpm asks: the registry within the sandbox has it by the address's hash.
tally_place_npm() { # FILE ADDRESS
    local hash
    hash=$(printf %s "$2" | sha256sum)
    tally_link_npm "$1" "$out/registry/-/${hash%% *}"
    echo "$2" >> "$out/addresses"
}

tally_link_npm() { # FILE PLACE
    if [[ ! -e $2 ]]; then
        mkdir -p "${2%/*}"
        ln -s "$1" "$2"
    elif ! cmp -s "$2" "$1"; then
        echo "tally: two packages have the file ${2##*/}, with different bytes" >&2
        return 1
    fi
}

# What yarn 1 calls the tarball of an address in its mirror: `getTarballMirrorPath` of its `src/fetchers/tarball-fetcher.js`.
tally_mirrored_npm() { # ADDRESS
    if [[ $1 =~ /(@[^/]+)(/|%2[fF])[^/]+/(-|_attachments)/(@[^/]+/)?([^/]+)$ ]]; then
        echo "${BASH_REMATCH[1]}-${BASH_REMATCH[5]}"
    else
        echo "${1##*/}"
    fi
}

# A lock that names no address has npm ask the registry for it: an index of the cache (index-v5) answers, as if it had been
# asked before. Formats: cacache's `lib/entry-index.js`, make-fetch-happen's `lib/cache/key.js`.
tally_index_npm() { # LIST of "PATH NAME VERSION DIGEST TARBALL"
    if ! command -v node > /dev/null; then
        echo "tally: the lock names no addresses, and without nodejs in the toolchain npm's cache cannot have them" >&2
        return 1
    fi
    node - "$1" "$out/_cacache" "$tally_npm_registry" << 'END'
const fs = require("fs"), path = require("path"), crypto = require("crypto");
const [list, cache, registry] = process.argv.slice(2);
const hash = (algorithm, data) => crypto.createHash(algorithm).update(data);
const put = (file, data) => {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.appendFileSync(file, data);
};
const shards = (hex) => path.join(hex.slice(0, 2), hex.slice(2, 4), hex.slice(4));
const index = (address, integrity, size, type, reqHeaders = {}) => {
    const key = `make-fetch-happen:request-cache:${address}`;
    const resHeaders = { "cache-control": "public, immutable, max-age=31536000", "content-type": type };
    const metadata = { time: 0, url: address, reqHeaders, resHeaders, options: { compress: true } };
    const entry = JSON.stringify({ key, integrity, time: 0, size, metadata });
    const file = path.join(cache, "index-v5", shards(hash("sha256", key).digest("hex")));
    put(file, `\n${hash("sha1", entry).digest("hex")}\t${entry}`);
};
const accepted = ["application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*", "application/json"];
const packages = new Map();
for (const line of fs.readFileSync(list, "utf8").split("\n").filter(Boolean)) {
    const [file, name, version, digest, tarball] = line.split(" ");
    const [algorithm, hex] = digest.split(":");
    const integrity = `${algorithm}-${Buffer.from(hex, "hex").toString("base64")}`;
    if (tarball.startsWith("https://")) { // out of a repository
        index(tarball, integrity, fs.statSync(file).size, "application/gzip");
        continue;
    }
    const versions = packages.get(name) ?? {};
    if (versions[version]) continue; // at several places of the project
    versions[version] = { name, version, dist: { integrity, tarball: registry + tarball } };
    packages.set(name, versions);
    index(registry + tarball, integrity, fs.statSync(file).size, "application/octet-stream");
}
for (const [name, versions] of packages) {
    const [latest] = Object.keys(versions);
    const text = JSON.stringify({ name, "dist-tags": { latest }, versions });
    const digest = hash("sha512", text).digest();
    put(path.join(cache, "content-v2", "sha512", shards(digest.toString("hex"))), text);
    const integrity = `sha512-${digest.toString("base64")}`;
    for (const accept of accepted) { // an answer is for those who ask so
        const address = registry + name.replace("/", "%2f");
        index(address, integrity, Buffer.byteLength(text), "application/json", { accept });
    }
}
END
}

# npm writes into its cache, too. Packages' own scripts run where the recipe's variables say so, and nowhere else.
tally_enter_npm() { # FOLDER
    mkdir -p "$HOME/.npm/_cacache"
    if [[ -e $1/prepared ]]; then
        # of what is out of a repository npm packs a tarball of its own, into the cache
        cp -rs "$1/_cacache/content-v2" "$HOME/.npm/_cacache/"
        chmod -R u+w "$HOME/.npm/_cacache/content-v2"
        _PACOTE_NO_PREPARE_=$(< "$1/prepared")
        export _PACOTE_NO_PREPARE_
        # of other hosts npm and pnpm ask git
        mkdir "$HOME/git-of-lock"
        tally_answer_git "$1/trees" > "$HOME/git-of-lock/git"
        chmod +x "$HOME/git-of-lock/git"
        export npm_config_git=${npm_config_git-$HOME/git-of-lock/git}
        if [[ -d $1/registry ]]; then PATH=$HOME/git-of-lock:$PATH; fi
    else
        ln -s "$1/_cacache/content-v2" "$HOME/.npm/_cacache/content-v2"
    fi
    if [[ -e $1/_cacache/index-v5 ]]; then
        cp -r "$1/_cacache/index-v5" "$HOME/.npm/_cacache/"
        chmod -R u+w "$HOME/.npm/_cacache/index-v5"
    fi
    export npm_config_cache=$HOME/.npm npm_config_offline=true npm_config_registry=$tally_npm_registry
    export npm_config_ignore_scripts=${npm_config_ignore_scripts-true}
    export npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
    if [[ -d $1/yarn ]]; then
        # yarn removes what its lock has another digest of, and says so
        cp -r "$1/yarn" "$HOME/.yarn-mirror"
        chmod -R u+w "$HOME/.yarn-mirror"
        export YARN_YARN_OFFLINE_MIRROR=$HOME/.yarn-mirror YARN_CACHE_FOLDER=$HOME/.cache/yarn YARN_DISABLE_SELF_UPDATE_CHECK=true
        # any text but none is a yes
        if [[ $npm_config_ignore_scripts == true ]]; then export YARN_IGNORE_SCRIPTS=true; fi
    fi
    if [[ -d $1/registry ]]; then tally_serve_npm "$1/registry"; fi
}

# pnpm keeps what it has in a store whose form each of its versions changes, yarn 4 keeps archives that it makes itself. So
# they ask a registry, which answers within the sandbox alone and has nothing but these files, and compare them with their locks.
tally_serve_npm() { # FOLDER
    local answer
    if ! command -v node > /dev/null; then
        echo "tally: without nodejs in the toolchain nothing can serve what the lock pins" >&2
        return 1
    fi
    read -r answer < <(
        exec node - "$1" 2> /dev/null << 'END'
const fs = require("fs"), path = require("path"), http = require("http");
const [folder] = process.argv.slice(2);
const server = http.createServer((request, response) => {
    const asked = path.posix.normalize(decodeURIComponent(request.url.split("?")[0]));
    const file = fs.createReadStream(path.join(folder, asked));
    file.on("error", () => { response.statusCode = 404; response.end(); });
    file.pipe(response);
});
server.listen(4873, "127.0.0.1", () => console.log("ready"));
END
    ) || true
    if [[ ${answer-} != ready ]]; then
        echo "tally: port 4873 of the sandbox is not free to serve what the lock pins" >&2
        return 1
    fi
    if [[ -e ${1%/*}/addresses ]]; then
        cp "${1%/*}/addresses" "$HOME/redirected"
        tally_redirect_npm > "$HOME/redirect.cjs"
        export NODE_OPTIONS="${NODE_OPTIONS:+$NODE_OPTIONS }--require=$HOME/redirect.cjs"
    fi
    export npm_config_registry=http://127.0.0.1:4873/ npm_config_offline=false
    export YARN_NPM_REGISTRY_SERVER=http://127.0.0.1:4873 YARN_UNSAFE_HTTP_WHITELIST=127.0.0.1 YARN_CHECKSUM_BEHAVIOR=throw
    export YARN_ENABLE_TELEMETRY=false YARN_GLOBAL_FOLDER=$HOME/.yarn
    if [[ $npm_config_ignore_scripts == true ]]; then export YARN_ENABLE_SCRIPTS=${YARN_ENABLE_SCRIPTS-false}; fi
    export npm_config_store_dir=$HOME/.pnpm-store npm_config_manage_package_manager_versions=false
    # since pnpm 11 it has variables of its own; it would ask when a package was published, and for another pnpm
    export pnpm_config_registry=$npm_config_registry pnpm_config_store_dir=$npm_config_store_dir
    export pnpm_config_ignore_scripts=$npm_config_ignore_scripts pnpm_config_pm_on_fail=ignore
    export pnpm_config_minimum_release_age=0
}

# A program that answers in git's place where npm and pnpm clone a repository that the lock pins a commit of: with the tree
# of that commit and with nothing else. See `lib/clone.js` and `lib/revs.js` of @npmcli/git, and @pnpm/git-fetcher. All that
# is asked of other repositories is git's own, where the toolchain has it.
tally_answer_git() { # LIST of "COMMIT TREE ADDRESS#COMMIT"
    printf '#!%s\ntrees=%s\n' "$BASH" "$1"
    cat << 'END'
asked=("$@")
if [[ $1 == --no-replace-objects ]]; then shift; fi
is_pinned() { # ADDRESS
    local tree place
    while read -r _ tree place; do
        if [[ ${place%#*} == "${1#git+}" ]]; then return 0; fi
    done < "$trees"
    return 1
}
case $1 in
    ls-remote) if is_pinned "${@: -1}"; then exit; fi ;;
    clone)
        for each in "${@:2}"; do
            if is_pinned "$each"; then
                into=${@: -1}
                into=${into%/.git}/.git
                mkdir -p "$into"
                touch "$into/of-lock"
                exit
            fi
        done
        ;;
    *)
        if [[ -e .git/of-lock ]]; then
            case $1 in
                init | submodule) exit ;;
                rev-parse) exec cat .git/of-lock ;;
                checkout)
                    while read -r commit tree _; do
                        if [[ $commit == "$2" ]]; then
                            cp -rT "$tree" .
                            chmod -R u+w .
                            echo "$commit" > .git/of-lock
                            exit
                        fi
                    done < "$trees"
                    ;;
            esac
            echo "tally: the lock pins nothing that answers git $*" >&2
            exit 128
        fi
        ;;
esac
PATH=:$PATH:
PATH=${PATH//":${0%/*}:"/:} # its own folder, wherever npm has put others before it
if ! command -v git > /dev/null; then
    echo "tally: the toolchain has no git, and the lock pins nothing that answers git $*" >&2
    exit 128
fi
exec git "${asked[@]}"
END
}

# A module that has Node.js ask the registry within the sandbox in place of the addresses beside it, and of no others.
tally_redirect_npm() {
    cat << 'END'
const { createHash } = require("crypto"), fs = require("fs"), http = require("http"), https = require("https");
const known = new Set(fs.readFileSync(`${__dirname}/redirected`, "utf8").split("\n").filter(Boolean));
const plain = http.request;
for (const [scheme, asking] of [["http", http], ["https", https]]) {
    const before = asking.request;
    asking.request = function (first, ...others) {
        const whole = typeof first === "string" || first instanceof URL;
        const { hostname, host = hostname, port, path: asks = "/" } = whole ? {} : first;
        const at = new URL(whole ? first : `${scheme}://${hostname ? hostname + (port ? `:${port}` : "") : host}${asks}`);
        const place = [at.href, at.href.split("?")[0]].find((each) => known.has(each));
        if (!place) return before.call(this, first, ...others);
        const told = whole ? others.find((each) => typeof each === "object") : first;
        const path = `/-/${createHash("sha256").update(place).digest("hex")}`;
        const asked = { host: "127.0.0.1", port: 4873, path, method: told?.method, headers: { ...told?.headers, host: "127.0.0.1" } };
        return plain.call(http, asked, others.find((each) => typeof each === "function"));
    };
}
require("module").syncBuiltinESMExports();
END
}
