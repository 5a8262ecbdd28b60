"""The recipe and the lock as checked models: TOML, names, versions, licences, and what of them is fetched."""
