# Fixed outputs: what comes from outside, pinned by digest. The orchestrator puts them into the store before
# anything is built, so these derivations are never run. Run all the same, they fail, since nothing has the path of
# their builder executable; it is named so that Nix's message says what is wrong.
#
# Addresses, package URLs and commits are in the request and in the evidence, and in no derivation: what is built
# depends on bytes alone.
{ system }:
let
  derivationFor =
    { name, sha256, mode, kind, ... }:
    derivation {
      inherit name system;
      builder = "/this-source-was-not-put-into-the-store";
      outputHashMode = mode;
      outputHashAlgo = "sha256";
      outputHash = sha256;
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
        inherit (description) name sha256 mode;
        path = builtins.unsafeDiscardStringContext output.outPath;
      };
    };
  output = description: (made description).output;
  described = description: (made description).described;
}
