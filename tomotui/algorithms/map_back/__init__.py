"""Copies of a map where its particles lie."""
