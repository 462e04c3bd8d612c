"""How particles lie to each other, and from where they are seen."""
