"""One adapter per published schema of raw logs."""
