# The `nixpkgs` toolchain: builds in the stdenv of the nixpkgs that flake.lock pins.
#
# A toolchain is a function from a recipe's name and `toolchain` to { run }: see debian.nix.
{ system }:
{ name, toolchain }:
let
  inherit (builtins) concatStringsSep filter foldl' isString split;
  node = toolchain.nixpkgs;

  # the pinned tree; `source` is what Nix calls every tree that it fetches
  tree =
    if node ? narHash then
      if node.type == "path" then
        builtins.path {
          path = /. + node.path;
          name = "source";
          sha256 = node.narHash;
        }
      else
        builtins.fetchTree node
    else
      throw "recipe ${name} uses a nixpkgs that is not pinned by its narHash";

  # without these two, nixpkgs would look for the machine's own configuration
  pkgs = import "${tree}" {
    inherit system;
    config = { };
    overlays = [ ];
  };

  # "python3Packages.setuptools" is an attribute in an attribute
  packageNamed =
    path:
    foldl' (
      set: part: set.${part} or (throw "recipe ${name} asks for ${path}, which this nixpkgs does not have")
    ) pkgs (filter isString (split "\\." path));
in
{
  run =
    { script, attributes, variables }:
    pkgs.stdenv.mkDerivation (
      attributes
      // {
        # what makes archives is there for the recipe, too, as in the debian toolchain
        nativeBuildInputs = map packageNamed toolchain.packages ++ [ pkgs.gnutar pkgs.gzip pkgs.xz pkgs.zstd ];
        tallyScriptFile = script;
        tallyVariables = concatStringsSep " " (builtins.attrNames variables);
        buildCommand = builtins.readFile ./nixpkgs-enter.sh;
      }
      // import ./variables.nix variables
    );
}
