"""What the user is told when she has left: a follower of the ledger with an outbox of its own, and whoever delivers it."""
