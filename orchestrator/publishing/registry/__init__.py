"""OCI registries: credentials, requests, blobs, manifests, referrers (OCI distribution specification 1.1)."""
