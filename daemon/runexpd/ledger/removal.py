"""Taking experiments out of the ledger, which a person asks for. Blocks, as the ledger does: ask at the desk.

Raises LedgerUnwritable and LedgerDamaged, as the ledger does.
"""

from runexpd.ledger.store import Ledger

_OF_ONE = (
    "DELETE FROM events WHERE experiment = ?",
    "DELETE FROM snapshots WHERE experiment = ?",
    "DELETE FROM log_positions WHERE experiment = ?",
)


def remove(ledger: Ledger, experiment: str, at: float) -> None:
    """All of an experiment, or nothing. `at`: seconds since 1970. What its attempts were made of goes with `compact`."""
    kept = ("INSERT OR REPLACE INTO removed VALUES (?, ?, ?)", (experiment, at, ledger.last_seq))
    ledger.change_each([kept, *((sql, (experiment,)) for sql in _OF_ONE)])


def removed(ledger: Ledger) -> frozenset[str]:
    """Those that were ever taken out, by id."""
    return frozenset(id for (id,) in ledger.rows("SELECT experiment FROM removed"))
