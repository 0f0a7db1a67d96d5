"""The stages of a run, one module each, and the order they run in."""
