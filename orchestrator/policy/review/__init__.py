"""What a policy says that cannot be meant: rules that nothing meets, and words that say nothing. Pure."""
