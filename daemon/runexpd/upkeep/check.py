"""Whether a ledger is whole: its file, what its events add up to, and the snapshots that say so."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from runexpd.core.state import Experiment, State
from runexpd.ledger.errors import LedgerError
from runexpd.ledger.migrate import shipped
from runexpd.ledger.store import Reader
from runexpd.runtime import admission, snapshot

#: Of what SQLite finds.
_MOST_FAULTS = 20
_SNAPSHOT = "SELECT body FROM snapshots WHERE experiment = ? AND seq = ? AND version = ?"


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    ledger: str
    size_bytes: int
    #: How many migrations it has had, and how many this version knows.
    format: int
    known_format: int
    experiments: int
    events: int
    #: A line each; none: it is whole.
    problems: tuple[str, ...]


def check(path: Path, tell: Callable[[int, int], None]) -> Checked:
    """Read all of it; `tell(done, all)` is called for each experiment. Raises LedgerError where it can't be read at all."""
    with Reader(path) as ledger:
        ((format,),) = ledger.rows("PRAGMA user_version")
        faults = [said for (said,) in ledger.rows(f"PRAGMA integrity_check({_MOST_FAULTS})") if said != "ok"]
        heads = ledger.heads()
        for done, (id, seq) in enumerate(heads.items(), start=1):
            faults += _of_one(ledger, id, seq)
            tell(done, len(heads))
        ((events,),) = ledger.rows("SELECT count(*) FROM events")
    return Checked(
        ledger=str(path),
        size_bytes=size_bytes(path),
        format=format,
        known_format=len(shipped()),
        experiments=len(heads),
        events=events,
        problems=tuple(faults),
    )


def size_bytes(path: Path) -> int:
    """With what was written last, which lies beside it for a while."""
    parts = (path, path.with_name(f"{path.name}-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())


def _of_one(ledger: Reader, id: str, seq: int) -> Iterator[str]:
    try:
        state = admission.replayed(State(), id, ledger.since(0, id))
    except LedgerError as error:
        yield f"experiment {id}: {error.what}"
        return
    if (parked := state.parked.get(id)) is not None:
        yield f"experiment {id}: {parked.why}"
    elif _snapshot(ledger, id, seq) not in (None, state.experiments[id]):
        yield f"experiment {id}: its snapshot says something else than its events; `runexp ledger compact` makes it anew"


def _snapshot(ledger: Reader, id: str, seq: int) -> Experiment | None:
    """None where there is none of all its events, or none that could be used."""
    try:
        ((body,),) = ledger.rows(_SNAPSHOT, id, seq, snapshot.VERSION)
        return snapshot.decode(body, id)
    except (LedgerError, ValueError, snapshot.Unreadable):
        return None
