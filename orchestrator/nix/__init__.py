"""The only place that runs Nix or reads a store."""
