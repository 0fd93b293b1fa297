"""The ledger's upkeep, by hand, beside the daemon or without it: look it over, copy it, put a copy back, make it small."""
