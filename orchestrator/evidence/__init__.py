"""Materials, SBOM, links, provenance and statements: pure functions of what was observed."""
