"""Readers of the user's own data, whatever they come in."""
