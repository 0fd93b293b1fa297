"""The page: what any client may ask, for a browser. It asks the handlers of the door beside it, and knows nothing of its own."""
