"""Melasma severity: what raters wrote, how far they agree, who is in which set, and what networks score."""
