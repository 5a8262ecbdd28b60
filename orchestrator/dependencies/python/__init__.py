"""Lock files of Python projects: which files of PyPI fit the toolchain's Python. Pure."""
