# Fixed outputs: what comes from outside, pinned by digest. The orchestrator puts them into the store before
# anything is built, so these derivations are never run. Run all the same, they fail, since nothing has the path of
# their builder executable; it is named so that Nix's message says what is wrong.
#
# Addresses, package URLs and commits are in the request and in the evidence, and in no derivation: what is built
# depends on bytes alone.
{ system }:
let
  derivationFor =
    { name, mode, kind, ... }@description:
    derivation {
      inherit name system;
      builder = "/this-source-was-not-put-into-the-store";
      outputHashMode = mode;
      outputHashAlgo = if description ? sha512 then "sha512" else "sha256";
      outputHash = description.sha512 or description.sha256;
      tallyKind = kind;
    };
in
rec {
  # `output` is the store path that holds it, `described` what must be put there
  made =
    description:
    let
      output = derivationFor description;
    in
    {
      inherit output;
      described = {
        inherit (description) name mode;
        path = builtins.unsafeDiscardStringContext output.outPath;
      }
      // (if description ? sha512 then { inherit (description) sha512; } else { inherit (description) sha256; });
    };
  output = description: (made description).output;
  described = description: (made description).described;
}
