"""What a bundle is, and whether it holds: ours and strangers'."""
