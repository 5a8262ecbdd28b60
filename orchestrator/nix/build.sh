# Builds a recipe: unpack, script, check, each named when it fails. Started by `bash -eu -o pipefail` with the recipe's
# variables, and with the paths of three files in tallySourcesPath, tallyScriptPath and tallyCheckPath.

# ours stay ours: the recipe's scripts do not see them
export -n "${!tally@}"

tallyStage=unpack
tally_say_stage() {
    local status=$? said=
    if ((status != 0)); then
        said="tally: the stage \"$tallyStage\" failed with exit status $status"
    fi
    tally_end_output "$said"
    exit "$status"
}
tally_print_through_filter
trap tally_say_stage EXIT

mkdir -p /build/work
tallyTop=/build/work
tallyCount=$(wc -l < "$tallySourcesPath")
while read -r tallyName tallyMode tallyPath tallyFile; do
    if [[ $tallyMode != unpack ]]; then
        tally_say_kept "$tallyName" "$tallyPath" "$tallyFile"
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
    bash -eu -o pipefail "/build/stages/$tallyStage" < /dev/null {tallyOutput}>&-
done
