"""Buckets of object stores: what is asked of them, and how long what is in them stays."""
