"""What registries serve, made again from its source, and how alike the two files are."""
