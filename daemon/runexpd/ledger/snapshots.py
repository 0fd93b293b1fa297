"""What experiments' events add up to, kept so that they need not be read again. Bytes in here: what is in them is the shelf's affair.

Raises LedgerUnwritable and LedgerDamaged, as the ledger does.
"""

import msgspec

from runexpd.ledger.store import Ledger

_PUT = """
INSERT INTO snapshots VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
SET seq = excluded.seq, version = excluded.version, line = excluded.line, body = excluded.body
"""


class Kept(msgspec.Struct, frozen=True):
    """A snapshot's outside."""

    experiment: str
    seq: int
    version: int
    #: How `runexp ls` shows it, if it was over.
    line: bytes | None


def outsides(ledger: Ledger) -> list[Kept]:
    return [Kept(*row) for row in ledger.rows("SELECT experiment, seq, version, line FROM snapshots")]


def body(ledger: Ledger, experiment: str, version: int) -> bytes | None:
    """None where there is none of that version."""
    sql = "SELECT body FROM snapshots WHERE experiment = ? AND version = ?"
    return next((found for (found,) in ledger.rows(sql, experiment, version)), None)


def put(ledger: Ledger, kept: Kept, body: bytes) -> None:
    ledger.change(_PUT, kept.experiment, kept.seq, kept.version, kept.line, body)
