# A recipe's package: its toolchain's build of its sources by its scripts.
{ recipes, fixed, toolchains }:
let
  # one script for bash: the functions, then what calls them
  build = import ./text.nix [ ./output.sh ./unpack.sh ./build.sh ];
  dependencies = import ./dependencies.nix { inherit fixed recipes toolchains; };
  hasDependencies = recipe: dependencies.has recipe.name;
  inherit (builtins) attrNames concatStringsSep elem filter foldl' hasAttr head listToAttrs match;

  # `$NAME` of an input or output: what a variable's name cannot hold becomes `_`
  variableOf =
    name:
    concatStringsSep "" (
      map (part: if builtins.isList part then "_" else part) (builtins.split "[^A-Za-z0-9_]" name)
    );

  isVariable = name: match "[A-Za-z_][A-Za-z0-9_]*" name != null;

  # attribute sets one after the other, none of which may say again what another said
  merged =
    recipe: sets:
    foldl' (
      all: set:
      let
        twice = filter (name: hasAttr name all) (attrNames set);
      in
      if twice == [ ] then all // set else throw "recipe ${recipe.name} sets the variable ${head twice} twice"
    ) { } sets;

  recipeNamed =
    name: user:
    recipes.${name} or (throw "recipe ${user} uses ${name} as an input, and the request does not hold it");

  inputVariables =
    name:
    let
      package = named name;
      variable = output: variableOf name + (if output == head recipes.${name}.outputs then "" else "_${output}");
    in
    listToAttrs (
      map (output: {
        name = variable output;
        value = package.outputs.${output};
      }) recipes.${name}.outputs
    );

  sourceVariables =
    recipe:
    let
      one = attrNames recipe.sources == [ "src" ];
    in
    listToAttrs (
      map (name: {
        name = if one then "src" else "src_${name}";
        value = "${fixed.output recipe.sources.${name}}";
      }) (attrNames recipe.sources)
    );

  # "NAME unpack|keep PATH FILE-NAME", a line a source; none of these holds a blank
  sourceLines =
    recipe:
    concatStringsSep "" (
      map (
        name:
        let
          source = recipe.sources.${name};
        in
        "${name} ${if source.unpack or true then "unpack" else "keep"} ${fixed.output source} ${source.name}\n"
      ) (attrNames recipe.sources)
    );

  variablesOf =
    recipe:
    let
      all = merged recipe (
        [ recipe.environment (sourceVariables recipe) ]
        ++ (if hasDependencies recipe then [ (dependencies.of recipe.name).variables ] else [ ])
        ++ map inputVariables (directInputs recipe)
      );
      ours = [ "HOME" "NIX_BUILD_CORES" "PATH" "SOURCE_DATE_EPOCH" ] ++ recipe.outputs;
      refused = name: !isVariable name || elem name ours || match "tally.*" name != null;
      bad = filter refused (attrNames all);
    in
    if bad == [ ] then all else throw "recipe ${recipe.name} sets ${head bad}, which no variable may be called";

  directInputs = recipe: map (name: (recipeNamed name recipe.name).name) recipe.inputs;

  # names that derivations give a meaning of their own
  taken = [ "args" "builder" "drv" "name" "outputs" "stdenv" "system" ];
  outputsOf =
    recipe:
    let
      bad = filter (name: elem name taken || match "[a-z][a-z0-9_]*" name == null) recipe.outputs;
    in
    if bad == [ ] then recipe.outputs else throw "recipe ${recipe.name} cannot call an output ${head bad}";

  attributesOf = recipe: {
    name = "${recipe.name}-${recipe.version}";
    outputs = outputsOf recipe;
    tallyKind = "package";
    tallyName = recipe.name;
    tallyVersion = recipe.version;
    tallyLicense = recipe.license;
    tallySummary = recipe.summary;
    tallyHomepage = recipe.homepage;
    tallySources = sourceLines recipe;
    tallyScript = recipe.script;
    tallyCheck = if recipe.check == null then "" else recipe.check;
    passAsFile = [ "tallyCheck" "tallyScript" "tallySources" ];
  };

  # where there are dependencies, their script starts the build's
  dependencyAttributes =
    recipe:
    if hasDependencies recipe then
      {
        tallyBuild = build;
        tallyDependencies = (dependencies.of recipe.name).lines;
        passAsFile = (attributesOf recipe).passAsFile ++ [ "tallyBuild" "tallyDependencies" ];
      }
    else
      { };

  made = builtins.mapAttrs (
    name: recipe:
    let
      toolchain = toolchains.${recipe.toolchain.from} { inherit name; inherit (recipe) toolchain; };
      package = toolchain.run {
        script = if hasDependencies recipe then dependencies.script else build;
        attributes = attributesOf recipe // dependencyAttributes recipe;
        variables = variablesOf recipe;
      };
    in
    {
      derivation = package;
      inherit toolchain;
      default = package.${head recipe.outputs};
      outputs = listToAttrs (
        map (output: {
          name = output;
          value = package.${output}.outPath;
        }) recipe.outputs
      );
    }
  ) recipes;
  named = name: made.${name};
in
{
  inherit named;

  # what its lock files pin, of a recipe alone
  dependencies = name: if dependencies.has name then (dependencies.of name).described else [ ];

  # the recipe's name and those of all recipes below it
  closure =
    target:
    map (item: item.key) (
      builtins.genericClosure {
        startSet = [ { key = target; } ];
        operator = item: map (key: { inherit key; }) (directInputs recipes.${item.key});
      }
    );
}
