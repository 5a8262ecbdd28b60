"""What must hold for a release, and whether it did: pure."""
