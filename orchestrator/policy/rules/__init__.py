"""The rules that a policy can have, one noun a module: each says what it saw of the evidence. Pure."""
