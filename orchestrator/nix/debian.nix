# The `debian` toolchain: builds in a root of pinned Debian packages.
#
# A toolchain is a function from a recipe's name and `toolchain` to { run, tools }: `run` makes a derivation of a
# script of ours with variables; docs/explanation/debian-toolchain.md tells how the build comes into its root.
#
# Nix remembers what an attribute of a set came to, and of no function's call: what many recipes share stands in
# sets here, so that each package and each root is worked out once a request.
{ system, fixed, busybox, packages, recipes }:
let
  text = import ./text.nix;
  enter = text [ ./debian-enter.sh ];
  builder = "${busybox}/busybox";

  known = builtins.mapAttrs (_: fixed.made) packages;
  package =
    recipe: file: known.${file} or (throw "recipe ${recipe} uses ${file}, and the request does not hold it");

  # equal lists give one derivation: a root is assembled once and shared
  roots = builtins.listToAttrs (
    map (recipe: {
      name = keyOf recipe.toolchain;
      value =
        if recipe.toolchain.from == "containers" then
          rootOfLayers recipe.toolchain
        else
          rootOf recipe.name recipe.toolchain.packages (recipe.toolchain.files or [ ]);
    }) (builtins.filter (recipe: isDebians recipe.toolchain) (builtins.attrValues recipes))
  );
  isDebians = toolchain: builtins.elem toolchain.from [ "debian" "files" "containers" ];
  keyOf =
    toolchain:
    builtins.toJSON [ toolchain.packages (toolchain.files or [ ]) (toolchain.layers or [ ]) (toolchain.path or [ ]) ];

  # an image's layers, with the machine's files replaced as of Debian's packages
  rootOfLayers =
    { layers, path, ... }:
    derivation {
      name = "container-root";
      inherit system builder;
      args = [ "sh" (text [ ./container-layers.sh ./debian-root.sh ./container-root.sh ]) ];
      tallyKind = "toolchain-root";
      tallyLayers = map fixed.output layers;
      tallyPath = path;
      passAsFile = [ "tallyLayers" ];
    };
  rootOf =
    recipe: files: archives:
    derivation ({
      name = if archives == [ ] then "debian-root" else "files-root";
      inherit system builder;
      args = [
        "sh"
        (text (
          archivesFor archives ++ namesFor files ++ [ ./debian-packages.sh ./debian-root.sh ]
          ++ certificatesFor files ++ databaseFor files ++ filesFor archives
        ))
      ];
      alternatives = text [ ./alternatives.awk ];
      tallyKind = "toolchain-root";
      tallyPackages = map (file: (package recipe file).output) files;
      passAsFile = [ "tallyPackages" ];
    } // variablesFor archives);

  # archives of upstream's, over the Debian root
  archivesFor = archives: if archives == [ ] then [ ] else [ ./files-archives.sh ];
  filesFor = archives: if archives == [ ] then [ ] else [ ./files-root.sh ];
  variablesFor =
    archives:
    if archives == [ ] then
      { }
    else
      {
        tallyArchives = map fixed.output archives;
        tallyArchivePlaces = map (archive: archive.to) archives;
        tallyArchivePrograms = map (archive: builtins.concatStringsSep ":" archive.path) archives;
      };

  # who builds Debian's packages asks what is installed; nobody else does, and it takes time. What a version made that knew
  # of no database has none: see text.nix.
  asksWhatIsInstalled = file: builtins.match "dpkg-dev_.*" file != null;
  hasDatabase = builtins.pathExists ./given -> builtins.pathExists ./given/debian-database.sh;
  withDatabase = files: hasDatabase && builtins.any asksWhatIsInstalled files;
  namesFor = files: if withDatabase files then [ ./debian-names.sh ] else [ ];
  databaseFor = files: if withDatabase files then [ ./debian-database.sh ] else [ ];

  # pip of Debian 13 and later does not start without them
  readsCertificates = file: builtins.match "python3-pip_(2[4-9]|[3-9][0-9])\\..*" file != null;
  hasCertificates = builtins.pathExists ./given -> builtins.pathExists ./given/debian-certificates.sh;
  certificatesFor =
    files:
    if hasCertificates && builtins.any readsCertificates files then [ ./debian-certificates.sh ] else [ ];

  toolchain =
    { name, toolchain }:
    let
      root = roots.${keyOf toolchain};
    in
    {
      inherit root;

      # `script` is a text in the store; `variables` reach the script as its environment, byte for byte
      run =
        { script, attributes, variables }:
        derivation (
          attributes
          // {
            inherit system builder;
            args = [ "unshare" "-U" "-r" "-m" builder "sh" enter script ];
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
