"""runexp: the thin client, and the types that it and the daemon speak."""

__version__ = "0.1.0"
