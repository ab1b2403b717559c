"""Detectors and readers of lesions, measured: boxes, photos, false alarms, and people beside networks."""
