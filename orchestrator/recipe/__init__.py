"""From TOML to the JSON that Nix reads: recipe, lock, sources, mirrors, toolchains."""
