# What lock files of projects pin, laid out for their builds: one derivation for each kind that a recipe has.
{ fixed, recipes, toolchains }:
let
  inherit (builtins) attrNames concatMap concatStringsSep elemAt filter foldl' length listToAttrs mapAttrs;
  text = import ./text.nix;

  # a kind's functions for bash: `tally_lay_out_KIND LIST` and `tally_enter_KIND FOLDER`
  functions = {
    cargo = text [ ./dependencies-cargo.sh ];
    go = text [ ./dependencies-go.sh ];
    npm = text [ ./dependencies-npm.sh ];
    python = text [ ./dependencies-python.sh ];
  };
  layOut = text [ ./lay-out.sh ];

  field = each: key: if each ? ${key} then each.${key} else "-";
  digestOf = each: if each ? sha512 then "sha512:${each.sha512}" else "sha256:${each.sha256}";

  # "PATH FILE NAME VERSION DIGEST REV ADDRESS PLACE", a line for each: what is not told is `-`. PLACE, which alone can hold
  # blanks, is where the project wants it, or the folder that it is of a tree
  lineOf =
    each:
    concatStringsSep " " [
      "${each.made.output}"
      each.file
      each.called
      each.version
      (digestOf each)
      (field each "rev")
      (if each.urls == [ ] then "-" else elemAt each.urls (length each.urls - 1))
      (if each ? part then each.part else field each "place")
    ];

  # "NAME==VERSION", a line for each
  pins = each: concatStringsSep "" (map (one: "${one.called}==${one.version}\n") each);

  laidOut =
    { recipe, kind, locks }:
    let
      toolchain = toolchains.${recipe.toolchain.from} { inherit (recipe) name toolchain; };
      packages = concatMap (lock: lock.packages) locks;
      asked = foldl' (all: lock: all // lock.beside) { } locks;
      # requests of earlier versions, which releases carry, do not ask for `shipped`
      beside = asked // (if asked ? shipped then { shipped = pins (filter (each: each.shipped) packages); } else { });
      files = listToAttrs (
        map (key: {
          name = "tallyBeside_${key}";
          value = beside.${key};
        }) (attrNames beside)
      );
    in
    toolchain.run {
      script = layOut;
      attributes = files // {
        name = "${recipe.name}-${recipe.version}-${kind}";
        tallyKind = "dependencies";
        tallyName = recipe.name;
        tallyDependencies = concatStringsSep "" (map (each: "${lineOf each}\n") packages);
        passAsFile = [ "tallyDependencies" ] ++ attrNames files;
      };
      variables = {
        inherit kind;
        functions = functions.${kind};
      };
    };

  made = mapAttrs (
    _: recipe:
    let
      locks = map (
        lock: lock // { packages = map (each: each // { made = fixed.made each; }) lock.packages; }
      ) recipe.dependencies;
      byKind = builtins.groupBy (lock: lock.kind) locks;
      folders = mapAttrs (kind: own: laidOut { inherit recipe kind; locks = own; }) byKind;
      kinds = attrNames folders;
    in
    {
      # everything that has to be put into the store
      described = concatMap (lock: map (each: each.made.described) lock.packages) locks;

      # the folder of the only kind is $dependencies, those of several are $dependencies_KIND
      variables = listToAttrs (
        map (kind: {
          name = if length kinds == 1 then "dependencies" else "dependencies_${kind}";
          value = "${folders.${kind}}";
        }) kinds
      );

      # "KIND FOLDER FUNCTIONS", a line for each kind
      lines = concatStringsSep "" (map (kind: "${kind} ${folders.${kind}} ${functions.${kind}}\n") kinds);
    }
  ) (listToAttrs (
    filter (each: (each.value.dependencies or [ ]) != [ ]) (
      map (name: {
        inherit name;
        value = recipes.${name};
      }) (attrNames recipes)
    )
  ));
in
{
  has = name: made ? ${name};
  of = name: made.${name};
  script = text [ ./dependencies.sh ];
}
