"""What an experiment's directory means. Pure over listings and texts."""
