# In bash, after stdenv's setup: the variables that builds of every toolchain have, then our script in a bash of its own.
export LANG=C.UTF-8 LC_ALL=C.UTF-8 TZ=UTC PYTHONHASHSEED=0 PERL_HASH_SEED=0 GOTOOLCHAIN=local GOPROXY=off GOSUMDB=off
for tallyName in $tallyVariables; do
    tallyValue=tallyVariable_$tallyName
    export "$tallyName=${!tallyValue}"
done
# 1980 is the first year that a ZIP file can tell
export HOME=/build/home SOURCE_DATE_EPOCH=315532800 NIX_BUILD_CORES
mkdir -p "$HOME"
umask 022
cd /build
exec "$BASH" -eu -o pipefail "$tallyScriptFile"
