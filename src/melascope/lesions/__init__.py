"""Pigmented lesions: where excess pigment is, how much of it, its outlines."""
