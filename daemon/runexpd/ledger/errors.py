"""Why a ledger can't be used: one line of what, and what to do."""


class LedgerError(Exception):
    """Raised when the ledger can't be opened."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class LedgerLocked(LedgerError):
    """Raised when another daemon holds the ledger."""


class LedgerTooNew(LedgerError):
    """Raised when a newer runexp has written the ledger."""


class LedgerDamaged(LedgerError):
    """Raised when the file is not a ledger, or no longer whole."""
