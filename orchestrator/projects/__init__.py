"""A project as its own files describe it: its name, how it is built, and the first recipe for it. Pure.

Files come through `tree.Tree`, which the caller fills. Every guess names the file and line that it is from.
"""
