"""Where files are and commands run: this machine, or one reached over SSH."""
