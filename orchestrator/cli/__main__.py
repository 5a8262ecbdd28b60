"""`python -m orchestrator.cli`: the same as `tally`."""

from orchestrator.cli.main import run

run()
