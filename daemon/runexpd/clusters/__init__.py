"""Who schedules jobs: Slurm, or the embedded scheduler of this machine."""
