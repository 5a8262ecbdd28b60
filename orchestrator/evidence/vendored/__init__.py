"""Packages within something else, as a project's own lock file says, or what lies beside it. Pure."""
