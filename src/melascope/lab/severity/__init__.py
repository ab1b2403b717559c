"""Networks that learn melasma severity: the six of Zhang et al. 2025, any of timm's, and ours."""
