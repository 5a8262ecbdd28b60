# Builds a recipe: unpack, script, check, each named when it fails. Started by `bash -eu -o pipefail` with the recipe's
# variables, and with the paths of three files in tallySourcesPath, tallyScriptPath and tallyCheckPath.

# ours stay ours: the recipe's scripts do not see them
export -n "${!tally@}"

tallyStage=unpack
tally_say_stage() {
    local status=$?
    if ((status != 0)); then
        echo "tally: the stage \"$tallyStage\" failed with exit status $status" >&2
    fi
}
trap tally_say_stage EXIT

tally_unpack() { # FOLDER PATH FILE-NAME
    mkdir -p "$1"
    if [[ -d $2 ]]; then
        cp -r "$2/." "$1"
        chmod -R u+w "$1"
        return
    fi
    case $3 in
        *.tar | *.tar.gz | *.tgz | *.tar.bz2 | *.tbz2 | *.tar.xz | *.txz | *.tar.zst | *.tar.lzma)
            tar --no-same-owner -C "$1" -xf "$2"
            ;;
        *.zip) tally_unzip "$1" "$2" ;;
        *) cp "$2" "$1/$3" ;;
    esac
}

tally_unzip() { # FOLDER PATH
    if command -v unzip > /dev/null; then
        unzip -q "$2" -d "$1"
    elif [[ -n ${tallyBusybox-} ]]; then
        "$tallyBusybox" unzip -q "$2" -d "$1"
    else
        echo "tally: nothing here unpacks a .zip: add unzip to the recipe's toolchain packages" >&2
        return 1
    fi
}

# the only folder in a folder, or that folder itself when it holds anything else
tally_top() { # FOLDER
    local entries
    shopt -s dotglob nullglob
    entries=("$1"/*)
    shopt -u dotglob nullglob
    if ((${#entries[@]} == 1)) && [[ -d ${entries[0]} && ! -L ${entries[0]} ]]; then
        echo "${entries[0]}"
    else
        echo "$1"
    fi
}

mkdir -p /build/work
tallyTop=/build/work
tallyCount=$(wc -l < "$tallySourcesPath")
while read -r tallyName tallyMode tallyPath tallyFile; do
    if [[ $tallyMode != unpack ]]; then
        continue
    elif ((tallyCount == 1)) && [[ $tallyName == src ]]; then
        tally_unpack /build/work "$tallyPath" "$tallyFile"
        tallyTop=$(tally_top /build/work)
    else
        tally_unpack "/build/unpacked/$tallyName" "$tallyPath" "$tallyFile"
        mv -T "$(tally_top "/build/unpacked/$tallyName")" "/build/work/$tallyName"
    fi
done < "$tallySourcesPath"
rm -rf /build/unpacked

# the scripts under names that bash's messages can show
mkdir /build/stages
cp "$tallyScriptPath" /build/stages/script
cp "$tallyCheckPath" /build/stages/check
for tallyStage in script check; do
    cd "$tallyTop"
    bash -eu -o pipefail "/build/stages/$tallyStage" < /dev/null
done
