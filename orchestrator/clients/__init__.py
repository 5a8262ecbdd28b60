"""Other people's clients, which read a release before it is published."""
