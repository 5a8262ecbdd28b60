# Lays out what lock files pin, in the way in which a kind's own tools look for it. The list is in tallyDependenciesPath.
. "$functions"
mkdir "$out"
"tally_lay_out_$kind" "$tallyDependenciesPath"
