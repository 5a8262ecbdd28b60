# From a request to derivations: `request` is the path of a JSON file, as text.
#
# What the request holds is data. It becomes attributes of derivations, never code; only the request's targets
# and what they need are made. The same request gives the same derivation paths on every machine: nothing here
# reads the machine, and our scripts enter as text.
{ request }:
let
  asked = builtins.fromJSON (builtins.readFile request);
  inherit (asked) system;

  fixed = import ./fixed.nix { inherit system; };
  busybox = fixed.made asked.busybox;
  toolchains = {
    debian = import ./debian.nix {
      inherit system fixed;
      busybox = busybox.output;
      inherit (asked) packages;
      recipes = needed;
    };
    files = toolchains.debian;
    containers = toolchains.debian;
    nixpkgs = import ./nixpkgs.nix { inherit system; };
  };
  packages = import ./package.nix { inherit fixed toolchains; inherit (asked) recipes; };
  # of the recipes, those that targets need: nothing else is looked at
  needed = builtins.listToAttrs (
    map (name: {
      inherit name;
      value = asked.recipes.${name};
    }) (builtins.concatMap packages.closure asked.targets)
  );
  artifact = import ./artifact.nix { inherit system; };

  plain = builtins.unsafeDiscardStringContext;

  # every fixed output below these recipes, each once
  fixedBelow =
    target:
    let
      needed = packages.closure target;
      sources = builtins.concatMap (name: builtins.attrValues asked.recipes.${name}.sources) needed;
      tools = builtins.concatMap (name: toolchainOf name asked.recipes.${name}.toolchain) needed;
      pinned = builtins.concatMap packages.dependencies needed;
      byPath = map (output: {
        name = output.path;
        value = output;
      }) (map fixed.described sources ++ map (tool: tool.described) tools ++ pinned);
    in
    builtins.attrValues (builtins.listToAttrs byPath);
  toolchainOf =
    recipe: toolchain:
    if builtins.elem toolchain.from [ "debian" "files" "containers" ] then
      [ busybox ] ++ map (toolchains.debian.package recipe) toolchain.packages
      ++ map fixed.made (toolchain.files or [ ] ++ toolchain.layers or [ ])
    else
      [ ];

  result =
    target:
    let
      package = packages.named target;
      made = artifact {
        recipe = asked.recipes.${target};
        inherit (package) toolchain default;
      };
    in
    {
      name = target;
      value = {
        package = {
          drv = plain package.derivation.drvPath;
          outputs = builtins.mapAttrs (_: output: plain output) package.outputs;
        };
        artifact = {
          drv = plain made.derivation.drvPath;
          output = plain made.derivation.outPath;
          inherit (made) fileName;
        };
        fixed = fixedBelow target;
      };
    };
in
builtins.listToAttrs (map result asked.targets)
