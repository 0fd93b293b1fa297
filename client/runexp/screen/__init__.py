"""The full screen: a thin shell of textual around the pure model in `ui/`. Imported by the command that shows it alone."""
