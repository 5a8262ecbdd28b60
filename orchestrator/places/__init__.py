"""Where two results differ, down to the innermost thing: a module a format."""
