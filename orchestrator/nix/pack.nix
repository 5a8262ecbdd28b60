# The artifacts of targets that are derivations already: `request` is the path of a JSON file, as text.
#
# A target is named by its `.drv` and the output that is packed; both are in the store that evaluates this.
{ request }:
let
  asked = builtins.fromJSON (builtins.readFile request);
  inherit (asked) system;

  fixed = import ./fixed.nix { inherit system; };
  busybox = fixed.made asked.busybox;
  recipe = {
    name = "packing";
    toolchain = {
      from = "debian";
      packages = builtins.attrNames asked.packages;
    };
  };
  debian = import ./debian.nix {
    inherit system fixed;
    busybox = busybox.output;
    inherit (asked) packages;
    recipes = { packing = recipe; };
  };
  toolchain = debian { inherit (recipe) name toolchain; };
  artifact = import ./artifact.nix { inherit system; };

  plain = builtins.unsafeDiscardStringContext;
  fixedOutputs = map (output: output.described) (
    [ busybox ] ++ map (debian.package recipe.name) recipe.toolchain.packages
  );

  result =
    target:
    let
      # what builds the output is told by the text's context, as in a derivation's own `outPath`
      default = builtins.appendContext target.outputs.${target.output} {
        ${target.drv} = {
          outputs = [ target.output ];
        };
      };
      made = artifact {
        recipe = target;
        inherit toolchain default;
      };
    in
    {
      package = {
        inherit (target) drv outputs;
      };
      artifact = {
        drv = plain made.derivation.drvPath;
        output = plain made.derivation.outPath;
        inherit (made) fileName;
      };
      fixed = fixedOutputs;
    };
in
map result asked.targets
