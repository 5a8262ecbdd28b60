"""Where two results differ, down to the innermost thing."""
