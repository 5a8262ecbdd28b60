"""The gate, keys, envelopes and bundles."""
