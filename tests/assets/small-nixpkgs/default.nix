# A small nixpkgs. Its tools come from Debian packages that the test names in tools.json, by digest, and puts into the
# store: { "busybox": FOD, "packages": [ FOD … ] }, FOD = { name, sha256, mode }.
{ system, config, overlays }:
assert config == { } && overlays == [ ];
let
  pinned = builtins.fromJSON (builtins.readFile ./tools.json);
  fixed =
    { name, sha256, mode }:
    derivation {
      inherit name system;
      builder = "/put-into-the-store-by-the-test";
      outputHashMode = mode;
      outputHashAlgo = "sha256";
      outputHash = sha256;
    };
  busybox = "${fixed pinned.busybox}/busybox";

  # every program, each behind a script that starts it with the libraries beside it
  tools = derivation {
    name = "tools";
    inherit system;
    builder = busybox;
    args = [ "sh" "${./tools.sh}" ];
    packages = map fixed pinned.packages;
    inherit busybox;
  };

  # a package with some of them
  only =
    name: names:
    derivation {
      inherit name system names tools;
      builder = busybox;
      args = [ "sh" "-euc" "mkdir -p $out/bin; for name in $names; do ln -s $tools/bin/$name $out/bin/$name; done" ];
    };
in
{
  stdenv.mkDerivation =
    attributes:
    derivation (
      {
        inherit system;
        builder = busybox;
        args = [ "sh" "${tools}/bin/bash" "-e" "${./setup.sh}" ];
        initialPath = [
          (only "bash" [ "bash" ])
          (only "coreutils" [ "cat" "chmod" "cp" "dirname" "env" "head" "id" "mkdir" "mv" "od" "realpath" "rm" "sha256sum" "sort" "stat" "touch" "tr" "wc" ])
          (only "findutils" [ "find" ])
          (only "gnused" [ "sed" ])
        ];
      }
      // attributes
    );
  gnutar = only "gnutar" [ "tar" ];
  gzip = only "gzip" [ "gzip" ];
  xz = only "xz" [ "xz" ];
  zstd = only "zstd" [ "zstd" ];
  gawk = only "gawk" [ "gawk" ];
  editors.gnused = only "gnused" [ "sed" ];
}
