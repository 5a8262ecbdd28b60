"""Published vulnerabilities, and which components of a bill they are of. Pure."""
