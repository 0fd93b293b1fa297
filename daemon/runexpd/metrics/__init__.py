"""What runs did at each step: kept beside the ledger, in a file of its own that may be deleted. Made anew from what runs left."""
