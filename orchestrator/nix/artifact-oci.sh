# A tar of an OCI image layout (OCI image specification 1.1): a layer with the package and its runtime closure under their
# store paths. That layer holds nothing else, so only what needs no library of Debian's runs in it; unless the recipe says
# what is at the image's top: the toolchain's own root, $base, as the layer below, and the folder $root of the package.
# Nix wrote the closure to /build/closure: per path its name, deriver, number of references, and references.
mapfile -t lines < /build/closure
paths=()
for ((i = 0; i < ${#lines[@]}; i += 3 + lines[i + 2])); do
    paths+=("${lines[i]#/}")
done

layout=/build/layout
blobs=$layout/blobs/sha256
mkdir -p "$blobs"

pack() { # ARCHIVE FOLDER, names of what goes in...: makes an archive, or adds to one
    local way=--create
    if [[ -e $1 ]]; then way=--append; fi
    tar "$way" --file "$1" --directory "$2" --format gnu --sort name --hard-dereference \
        --owner 0 --group 0 --numeric-owner --mtime @1 "${@:3}"
}

blob() { # FILE: takes it in as a blob; `digest` and `size` describe it then
    digest=$(sha256sum < "$1")
    digest=${digest%% *}
    size=$(stat -c %s -- "$1")
    mv -- "$1" "$blobs/$digest"
}

layers=() differences=()
layer() { # FILE: takes an archive in as the next layer
    local difference
    difference=$(sha256sum < "$1")
    differences+=("\"sha256:${difference%% *}\"")
    gzip -n -6 "$1" # 9 takes three times as long, and saves a hundredth
    blob "$1.gz"
    layers+=("{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"sha256:$digest\",\"size\":$size}")
}

joined() { # texts...: with commas between them
    local IFS=,
    printf '%s' "$*"
}

refuse_whiteouts "${paths[@]/#//}" ${base:+"$base"}
if [[ -n ${root-} ]]; then check_root; fi
listed=(--null --verbatim-files-from --files-from /build/names)
mkdir -p /build/own/tmp /build/empty/nix/store
chmod 1777 /build/own/tmp
if [[ -n ${base-} ]]; then
    make_own_files /build/own
    (cd /build/own && find . ! -type d -printf '%P\n') > /build/replaced
    names_in "$base" build tmp > /build/names
    pack /build/base.tar "$base" --mode u+w --anchored --no-wildcards --exclude-from /build/replaced "${listed[@]}"
    absent_from "$base" /build/own > /build/names
    pack /build/base.tar /build/own --no-recursion "${listed[@]}"
    layer /build/base.tar
fi

words=()
if [[ -n ${root-} ]]; then
    names_in "$package/$root" tmp > /build/names
    pack /build/layer.tar "$package/$root" --mode u+w "${listed[@]}"
    if [[ -z ${base-} ]]; then pack /build/layer.tar /build/own tmp; fi
    # what is at the top is not at its store path as well
    words=(--anchored --no-wildcards --exclude "${package#/}/$root")
    if [[ -z $(find "$package" ! -type d ! -path "$package/$root/*" -print -quit) ]]; then without_package; fi
fi
if ((${#paths[@]} > 0)); then
    sorted=$(printf '%s\n' "${paths[@]}" | LC_ALL=C sort)
    mapfile -t paths <<< "$sorted"
    pack /build/layer.tar /build/empty --mode u+w nix --directory / "${words[@]}" "${paths[@]}"
fi
layer /build/layer.tar

# $settings is JSON already; digests, sizes and $label hold nothing that JSON must quote
printf '%s' "{\"architecture\":\"$architecture\",\"os\":\"linux\",\"config\":$settings," \
    "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[$(joined "${differences[@]}")]}}" > /build/config
blob /build/config
config="{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"sha256:$digest\",\"size\":$size}"

printf '%s' "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\"," \
    "\"config\":$config,\"layers\":[$(joined "${layers[@]}")]}" > /build/manifest
blob /build/manifest
printf '%s' "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[" \
    "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:$digest\",\"size\":$size," \
    "\"annotations\":{\"org.opencontainers.image.ref.name\":\"$label\"}}]}" > "$layout/index.json"
printf '{"imageLayoutVersion":"1.0.0"}' > "$layout/oci-layout"

pack /build/image.tar "$layout" --mode u+w blobs index.json oci-layout
cat /build/image.tar > "$out"
