# What evaluation tells of one value: data alone, with its `.drv` in the store.
#
# What `meta` says is taken where it can be evaluated and has the type that it should have.
let
  inherit (builtins) attrNames concatMap deepSeq filter head isAttrs isList isString tryEval typeOf;
  plain = builtins.unsafeDiscardStringContext;

  attempt =
    value:
    let
      tried = tryEval (deepSeq value value);
    in
    if tried.success then tried.value else null;
  text = value: if isString value then plain value else null;
  texts = value: map plain (filter isString (if isList value then value else [ ]));

  licence =
    value:
    if isAttrs value then text (attempt (value.spdxId or value.fullName or value.shortName or null)) else text value;
  licences = value: filter (each: each != null) (map licence (if isList value then value else [ value ]));

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
      licences = licences (attempt (value.meta.license or null));
      outputsToInstall = texts (told "outputsToInstall");
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
