"""Sources of raw events, one per published schema of logs."""
