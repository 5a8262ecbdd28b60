"""The gate, and who witnesses: logs, timestamp authorities, identities."""
