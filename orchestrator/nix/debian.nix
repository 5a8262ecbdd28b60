# The `debian` toolchain: builds in a root of pinned Debian packages.
#
# A toolchain is a function from a recipe's name and `toolchain` to { run, tools }: `run` makes a derivation of a
# script of ours with variables; docs/explanation/debian-toolchain.md tells how the build comes into its root.
{ system, fixed, busybox, packages }:
let
  text = import ./text.nix;
  builder = "${busybox}/busybox";

  package =
    recipe: file:
    (packages.${file} or (throw "recipe ${recipe} uses ${file}, and the request does not hold it"))
    // {
      fileName = file;
    };

  # equal lists give one derivation: a root is assembled once and shared
  rootOf =
    recipe: files:
    derivation {
      name = "debian-root";
      inherit system builder;
      args = [ "sh" (text ./debian-root.sh) ];
      alternatives = text ./alternatives.awk;
      tallyKind = "toolchain-root";
      tallyPackages = map (file: fixed.output (package recipe file)) files;
      passAsFile = [ "tallyPackages" ];
    };

  toolchain =
    { name, toolchain }:
    let
      root = rootOf name toolchain.packages;
    in
    {
      inherit root;

      # `variables` reach the script as its environment, byte for byte
      run =
        { script, attributes, variables }:
        derivation (
          attributes
          // {
            inherit system builder;
            args = [ "unshare" "-U" "-r" "-m" builder "sh" (text ./debian-enter.sh) (text script) ];
            tallyRoot = root;
            tallyVariables = builtins.attrNames variables;
          }
          // import ./variables.nix variables
        );
    };
in
{
  inherit package;
  __functor = _: toolchain;
}
