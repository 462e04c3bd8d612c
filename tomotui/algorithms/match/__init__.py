"""Template matching: where in a tomogram, and how turned, a known structure lies."""
