"""The imperative shell: one loop around the core, and a carrier for each kind of command."""
