"""Virtual patients: heads, the optics of skin, growing lesions, camera, and everything that is true about them."""
