"""Learning how particles differ continuously: Gaussians of a map, moved by what each one shows."""
