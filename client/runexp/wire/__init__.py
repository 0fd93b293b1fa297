"""The contract between client and daemon: plain msgspec structs, nothing that acts.

The events here are also what the ledger stores, so they grow by optional fields only.
"""
