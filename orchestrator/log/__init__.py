"""The transparency log: tree, tiles, checkpoints, entries; the embedded log; and what a proof proves."""
