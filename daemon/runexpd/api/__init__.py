"""The daemon's door: a Unix socket, and what is answered to each request."""
