# Before a recipe's build: its environment is set up so that its tools find what lock files pin, each kind by its functions.
# A line is "KIND FOLDER FUNCTIONS"; then the build goes on as without.
while read -r tallyKind tallyFolder tallyFunctions; do
    . "$tallyFunctions"
    "tally_enter_$tallyKind" "$tallyFolder"
done < "$tallyDependenciesPath"
. "$(< "$tallyBuildPath")"
