"""What a project's own lock file pins: readers, one a format. Pure: bytes in, `Locked` out."""
