"""What everything stands on, and that knows none of it: errors, digests, files, state, fetching."""
