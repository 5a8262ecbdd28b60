"""Tallystick: build on independent builders, compare every bit, sign only what agrees."""

__version__ = "0.1.0"
