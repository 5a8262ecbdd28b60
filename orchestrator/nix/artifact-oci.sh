# A tar of an OCI image layout (OCI image specification 1.0): one layer with the package and its runtime closure under
# their store paths. The layer holds nothing else, so only what needs no library of Debian's runs in it.
# Nix wrote the closure to /build/closure: per path its name, deriver, number of references, and references.
mapfile -t lines < /build/closure
paths=()
for ((i = 0; i < ${#lines[@]}; i += 3 + lines[i + 2])); do
    paths+=("${lines[i]#/}")
done

layout=/build/layout
blobs=$layout/blobs/sha256
mkdir -p "$blobs"

archive() { # FOLDER, names of what goes in...
    tar --create --directory "$1" --format gnu --sort name --hard-dereference \
        --owner 0 --group 0 --numeric-owner --mtime @1 "${@:2}"
}

blob() { # FILE: takes it in as a blob; `digest` and `size` describe it then
    digest=$(sha256sum < "$1")
    digest=${digest%% *}
    size=$(stat -c %s -- "$1")
    mv -- "$1" "$blobs/$digest"
}

sorted=$(printf '%s\n' "${paths[@]}" | LC_ALL=C sort)
mapfile -t paths <<< "$sorted"
mkdir -p /build/empty/nix/store
archive / --no-recursion --mode 755 --directory /build/empty nix nix/store \
    --directory / --recursion --mode u+w "${paths[@]}" > /build/layer.tar
difference=$(sha256sum < /build/layer.tar)
difference=${difference%% *}
gzip -n -9 /build/layer.tar
blob /build/layer.tar.gz
layer="{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"sha256:$digest\",\"size\":$size}"

# $settings is JSON already; digests, sizes and $label hold nothing that JSON must quote
printf '%s' "{\"architecture\":\"$architecture\",\"os\":\"linux\",\"config\":$settings," \
    "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:$difference\"]}}" > /build/config
blob /build/config
config="{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"sha256:$digest\",\"size\":$size}"

printf '%s' "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\"," \
    "\"config\":$config,\"layers\":[$layer]}" > /build/manifest
blob /build/manifest
printf '%s' "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[" \
    "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:$digest\",\"size\":$size," \
    "\"annotations\":{\"org.opencontainers.image.ref.name\":\"$label\"}}]}" > "$layout/index.json"
printf '{"imageLayoutVersion":"1.0.0"}' > "$layout/oci-layout"

archive "$layout" --mode u+w blobs index.json oci-layout > "$out"
