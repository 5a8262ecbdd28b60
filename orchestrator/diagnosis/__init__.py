"""Why two results differ: what kind, the experiment that proves it, and the usual cure."""
