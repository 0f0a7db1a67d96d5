"""A visitor's browser in a store: Chromium, plain HTTP, scripted."""
