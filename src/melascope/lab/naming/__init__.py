"""The network that names patches: from what was measured of them to one of six kinds, or none."""
