"""What is said of a local job that has begun, from its records in the spool."""

from contextlib import suppress
from pathlib import Path

import msgspec

from runexp import paths
from runexp.text import printable
from runexp.wire.states import LOST
from runexpd.clusters.base import JobReport
from runexpd.clusters.local import orders, spool, turns


def started(directory: Path, token: str) -> JobReport:
    """Raises OSError."""
    if not turns.bury(directory):
        return ended(directory, token)
    user, node = _whereabouts()
    began = _started_at(directory)
    return JobReport(token=token, state="RUNNING", final=False, started_at=began, user=user, node=node)


def ended(directory: Path, token: str) -> JobReport:
    """Raises OSError."""
    user, node = _whereabouts()
    known = {"token": token, "final": True, "user": user, "node": node}
    try:
        return msgspec.convert({**(spool.read(directory / "end.json") or {}), **known}, JobReport)
    except (spool.Damaged, msgspec.ValidationError):
        reason = f"its end can't be read: {directory}/end.json; `runexp cancel` gives it up"
        return JobReport(token=token, state=LOST, final=False, reason=printable(reason))


def _whereabouts() -> tuple[str, str]:
    return paths.user(), orders.node()


def _started_at(directory: Path) -> float | None:
    with suppress(spool.Damaged, OSError):
        at = (spool.read(directory / "start.json") or {}).get("at")
        return at if isinstance(at, float) else None
    return None
