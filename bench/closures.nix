# Derivations of a made-up tree, from JSON: each node's name, version, inputs by their numbers, and source.
{ nodes }:
let
  given = builtins.fromJSON (builtins.readFile nodes);
  source = node: derivation {
    name = "${node.name}-${node.version}.tar.gz";
    system = "x86_64-linux";
    builder = "builtin:fetchurl";
    url = "https://example.org/${node.name}-${node.version}.tar.gz";
    outputHashAlgo = "sha256";
    outputHashMode = "flat";
    outputHash = builtins.hashString "sha256" node.name;
  };
  patch = builtins.toFile "fix.patch" "a patch";
  make = number:
    let node = builtins.elemAt given number; in
    derivation {
      inherit (node) version;
      name = "${node.name}-${node.version}";
      pname = node.name;
      system = "x86_64-linux";
      builder = "/bin/sh";
      args = [ "-c" "echo $buildInputs > $out" ];
      src = if node.source then source node else "";
      patches = if node.patched then [ patch ] else [ ];
      buildInputs = map (builtins.elemAt made) node.inputs;
      nativeBuildInputs = map (builtins.elemAt made) node.tools;
    };
  made = builtins.genList make (builtins.length given);
in
map (each: each.drvPath) made
