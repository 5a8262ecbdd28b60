# A file of ours in the store: its text alone, so that neither its mode nor its place changes a derivation.
file: builtins.toFile (baseNameOf file) (builtins.readFile file)
