# Attributes of a flake: `request` is JSON as text, since pure evaluation reads no file but the flake's.
#
# With `tried`, one that throws, as nixpkgs does for what is broken, is told as `failed` and stops no other.
# `locked` is the flake's locked address. For each attribute several paths are tried, as Nix tries them for
# `nix build`; with an attribute that is in none of them come the names that are there.
{ describe }:
{ request }:
let
  asked = builtins.fromJSON request;
  flake = builtins.getFlake asked.locked;
  inherit (builtins) attrNames elemAt head isAttrs length tail;

  # as a list of one value, or none
  at =
    value: path:
    if path == [ ] then
      [ value ]
    else if isAttrs value && value ? ${head path} then
      at value.${head path} (tail path)
    else
      [ ];

  first =
    value: paths:
    if paths == [ ] then
      null
    else
      let
        found = at value (head paths);
      in
      if found != [ ] then { value = head found; } else first value (tail paths);

  # the names beside which one was looked for and not found
  beside =
    paths:
    let
      sets = map (path: at flake (above path)) paths;
      there = builtins.filter (found: found != [ ] && isAttrs (head found)) sets;
    in
    builtins.concatMap (found: attrNames (head found)) there;
  above = path: builtins.genList (elemAt path) (if path == [ ] then 0 else length path - 1);

  result =
    paths:
    let
      found = first flake paths;
    in
    if found != null then
      describe found.value
    else
      {
        kind = "missing";
        missing = elemAt (head paths) (length (head paths) - 1);
        inside = "set";
        names = beside paths;
      };
in
map (
  paths:
  let
    found = result paths;
    tried = builtins.tryEval (builtins.deepSeq found found);
  in
  if !(asked.tried or false) then
    found
  else if tried.success then
    tried.value
  else
    { kind = "failed"; }
) asked.attributes
