"""runexpd: keeps the ledger, submits, watches, verifies, reports. `daemon` puts the parts together."""
