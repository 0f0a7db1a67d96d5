"""Trained models in a folder of their own, to load and to publish."""
