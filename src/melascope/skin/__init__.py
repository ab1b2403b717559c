"""Skin: facial regions, skin tone and chromophore maps of a photograph."""
