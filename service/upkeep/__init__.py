"""Looking after an archive: audit, recovery, rebuild, keys, decisions, backup."""
