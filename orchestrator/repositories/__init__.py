"""Git repositories, read without trusting them: objects, trees, commits elsewhere, changes not committed."""
