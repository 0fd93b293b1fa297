"""The truth on disk: every event, in order, in SQLite."""
