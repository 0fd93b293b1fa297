"""Slurm, as seen from its command line."""
