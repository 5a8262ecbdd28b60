"""Where derivations are realised: configuration, embedded builders, probes."""
