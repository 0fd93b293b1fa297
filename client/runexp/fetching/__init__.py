"""Files brought home from a cluster: where they go, what is there already, and the bringing itself."""
