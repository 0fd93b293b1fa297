"""What a follower of the ledger reads: bounded pages, and who has news. Blocks, as the ledger does: ask at the desk.

Raises LedgerUnwritable and LedgerDamaged, as the ledger does.
"""

import msgspec

from runexp.wire.events import Envelope
from runexpd.ledger.store import Ledger, LogPosition

#: Experiments that have an event which not all of their logs are known to be written up to; the newest first. A log whose
#: position is unknown was never begun.
_UNWRITTEN = """
WITH heads AS (SELECT experiment, max(seq) AS seq FROM events GROUP BY experiment),
written AS (SELECT experiment, min(seq) AS seq FROM log_positions GROUP BY experiment)
SELECT heads.experiment FROM heads LEFT JOIN written USING (experiment)
WHERE coalesce(written.seq, 0) < heads.seq ORDER BY heads.seq DESC
"""
#: By number, which a few new events are found by; the `+` keeps the index by experiment out of it, which lists them all.
_NEWS = "SELECT experiment, max(seq) FROM events WHERE seq > ? GROUP BY +experiment ORDER BY max(seq)"
_PAGE = "SELECT seq, at, experiment, body FROM events WHERE experiment = ? AND seq > ? ORDER BY seq LIMIT ?"


def page(ledger: Ledger, experiment: str, after: int, most: int) -> list[Envelope]:
    """The next events of one experiment, at most so many, undecoded."""
    rows = ledger.rows(_PAGE, experiment, after, most)
    return [Envelope(seq, at, of, msgspec.Raw(body)) for seq, at, of, body in rows]


def news(ledger: Ledger, after: int) -> dict[str, int]:
    """The newest event's number of each experiment to which something happened after `after`."""
    return dict(ledger.rows(_NEWS, after))


def unwritten(ledger: Ledger) -> list[str]:
    """Experiments whose run logs may lack something."""
    return [id for (id,) in ledger.rows(_UNWRITTEN)]


def log_positions(ledger: Ledger, experiment: str) -> dict[str, LogPosition]:
    """How far each run log of an experiment is written, by path."""
    rows = ledger.rows("SELECT path, seq, size_bytes FROM log_positions WHERE experiment = ?", experiment)
    return {path: LogPosition(seq, size_bytes) for path, seq, size_bytes in rows}
