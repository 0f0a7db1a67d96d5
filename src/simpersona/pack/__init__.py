"""Packs: folders of trained models, to load and to publish."""
