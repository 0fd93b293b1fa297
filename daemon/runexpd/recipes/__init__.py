"""What exactly ran: recipes are read, compared, and kept without secrets."""
