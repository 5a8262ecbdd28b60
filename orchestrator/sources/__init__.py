"""Where a source is, whom to ask for it, and the folder that holds what came."""
