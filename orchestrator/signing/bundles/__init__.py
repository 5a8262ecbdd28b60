"""Strangers' Sigstore bundles: read, and judged part by part."""
