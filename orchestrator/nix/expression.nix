# Attributes of a file that is somebody's own: `tally-request` is the path of a JSON file, as text.
#
# Functions are called as Nix calls them for `nix-build`, with what they take of the arguments; those that were
# given as expressions are all other arguments of this one.
{ tally-request, ... }@given:
let
  asked = builtins.fromJSON (builtins.readFile tally-request);
  arguments = removeAttrs given [ "tally-request" ] // asked.strings;
  inherit (import ./describe.nix) describe;

  # Nix tells whether a pattern ends in `...` in a function's XML alone
  takesAll = function: builtins.match ".*<attrspat [^>]*ellipsis=\"1\".*" (lined (builtins.toXML function)) != null;
  takesSome = function: builtins.match ".*<attrspat.*" (lined (builtins.toXML function)) != null;
  lined = builtins.replaceStrings [ "\n" ] [ " " ];

  called =
    value:
    if builtins.isAttrs value && value ? __functor then
      called (value.__functor value)
    else if builtins.isFunction value && takesSome value then
      called (
        value (if takesAll value then arguments else builtins.intersectAttrs (builtins.functionArgs value) arguments)
      )
    else
      value;

  # after as many names as there are; `missing` is the first that is not there
  at =
    value: path:
    let
      here = called value;
      name = builtins.head path;
    in
    if path == [ ] then
      describe here
    else if builtins.isAttrs here && here ? ${name} then
      at here.${name} (builtins.tail path)
    else if builtins.isList here && builtins.match "[0-9]{1,9}" name != null && inList here name then
      at (builtins.elemAt here (builtins.fromJSON name)) (builtins.tail path)
    else
      {
        kind = "missing";
        missing = name;
        inside = builtins.typeOf here;
        names = if builtins.isAttrs here then builtins.attrNames here else [ ];
      };
  inList = list: name: builtins.fromJSON name < builtins.length list;

  file = import (/. + asked.file);
in
map (at file) asked.attributes
