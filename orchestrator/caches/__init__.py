"""Binary caches: what they say of store paths, whose signature is believed, how their bytes come in."""
