"""Detectors of lesions: the four of Ding et al. 2022, a modern one, and how they are trained and exported."""
