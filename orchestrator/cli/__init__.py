"""The command line: parse, call a story, render; nothing else."""
