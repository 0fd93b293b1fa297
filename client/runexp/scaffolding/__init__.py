"""Experiments to begin with: an example that needs no download, and one for a model of one's own."""
