"""What a user can ask for: a file a story, each reading as the flow, a line a stage."""
