"""`tally lock`: what recipes need, pinned by digest; and from lock and recipes to what Nix reads."""
