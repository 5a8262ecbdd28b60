# What evaluation tells of one value: data alone, with its `.drv` in the store.
#
# What `meta` says is taken where it can be evaluated and has the type that it should have.
let
  inherit (builtins) attrNames deepSeq filter head isAttrs isList isString tryEval typeOf;
  plain = builtins.unsafeDiscardStringContext;

  shallow =
    value:
    let
      tried = tryEval value;
    in
    if tried.success then tried.value else null;
  attempt = value: shallow (deepSeq value value);
  text = value: if isString value then plain value else null;
  texts = value: map plain (filter isString (if isList value then value else [ ]));

  licence =
    value:
    if isAttrs value then text (attempt (value.spdxId or value.fullName or value.shortName or null)) else text value;
  licences = value: filter (each: each != null) (map licence (if isList value then value else [ value ]));

  # the one that is known to be right, else those that may be (nixpkgs's manual, "meta.identifiers")
  cpes =
    meta:
    let
      identifiers = shallow (meta.identifiers or null);
      told = shallow (identifiers.v1 or identifiers);
      possible = shallow (told.possibleCPEs or null);
    in
    texts (map attempt ([ (told.cpe or null) ] ++ map (each: each.cpe or null) (if isList possible then possible else [ ])));

  described =
    value:
    let
      told = name: attempt (value.meta.${name} or null);
      homepage = told "homepage";
    in
    {
      kind = "derivation";
      drv = plain value.drvPath;
      output = text (value.outputName or null);
      name = text (attempt (value.name or null));
      pname = text (attempt (value.pname or null));
      version = text (attempt (value.version or null));
      summary = text (told "description");
      homepage = text (if isList homepage && homepage != [ ] then head homepage else homepage);
      position = text (told "position");
      cpes = cpes (value.meta or null);
      licences = licences (attempt (value.meta.license or null));
      # `curl.dev` of nixpkgs is one output, whatever is installed of curl (Nix: "outputSpecified")
      outputsToInstall = if attempt (value.outputSpecified or null) == true then [ ] else texts (told "outputsToInstall");
    };
in
{
  describe =
    value:
    if isAttrs value && (value.type or null) == "derivation" then
      described value
    else
      {
        kind = typeOf value;
        names = if isAttrs value then attrNames value else [ ];
      };
}
