"""Running tasks through SLURM: what to ask for, asking for it, and following what becomes of it."""
