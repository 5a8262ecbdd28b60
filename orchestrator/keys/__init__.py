"""A key: its kinds, files, tokens, clouds and passphrases; signatures and envelopes."""
