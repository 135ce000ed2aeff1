"""Settings: one documented default.toml and the typed schema that loads it."""
