"""Why a ledger can't be used, or not just now: one line of what, and what to do."""


class LedgerError(Exception):
    """Something is the matter with the ledger."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class LedgerLocked(LedgerError):
    """Raised when another daemon holds the ledger."""


class LedgerTooNew(LedgerError):
    """Raised when a newer runexp has written the ledger."""


class LedgerUnwritable(LedgerError):
    """Raised when the disk won't take an event, or give one back: it is full, read-only, or gone."""


class LedgerDamaged(LedgerError):
    """Raised when the file is not a ledger, or no longer whole."""


class NotUnique(Exception):
    """Raised when a row would use a token, or name a directory, a second time: a fault of ours. Nothing was committed."""
