"""One file a command: arguments in, requests to the daemon, output."""
