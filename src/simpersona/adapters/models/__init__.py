"""Language models that answer chat messages."""
