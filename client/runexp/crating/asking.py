"""What a crate holds, asked of the daemon: as it stands, secrets blanked at this door."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from runexp import blank, connection, naming
from runexp.connection import Refusal
from runexp.fetching.transfer import Bringing
from runexp.wire import requests
from runexp.wire.events import Envelope, Event
from runexp.wire.files import FilesAsk, FilesReply, Kind, RemoteFile
from runexp.wire.metrics import Curves, Series
from runexp.wire.recipes import WithTexts
from runexp.wire.views import Report

S = TypeVar("S", bound=msgspec.Struct)
#: A summary is written by hand, or by a scaffolder: one that is larger is none.
_MOST_BYTES = 16 * 1024 * 1024


class NotHad(Exception):
    """Raised for what can't be had, with the reason in one line."""


def report(experiment: str) -> Report:
    """Raises what asking raises."""
    return _blanked(connection.ask(requests.ReportAsk(experiment=experiment), Report))


def recipe(experiment: str, job: str, attempt: int | None) -> WithTexts:
    """Of an attempt, or (None) of results that no attempt made. Raises NotHad, and what asking raises but for Refusal."""
    asked = requests.Show(experiment=experiment, job=job, attempt=attempt)
    try:
        return _blanked(connection.ask(asked, requests.ShowReply).shown)
    except Refusal as refusal:
        raise NotHad(refusal.refused.what) from None


def series(experiment: str, job: str) -> tuple[Series, ...]:
    """Every point of a job's curves. Raises what asking raises, but for Refusal: there are none."""
    asked = requests.Metrics(experiment=experiment, jobs=(job,), points=0)
    try:
        return connection.ask(asked, Curves).series
    except Refusal:
        return ()


def history(experiment: str) -> Iterator[Envelope]:
    """Every event so far, in order. Raises what asking raises."""
    for reply in connection.stream(requests.Follow(experiment=experiment)):
        if isinstance(reply, requests.Live):
            return
        if isinstance(reply, requests.Seen):
            raw = blank.document(msgspec.json.decode(reply.envelope.event))
            yield msgspec.structs.replace(reply.envelope, event=msgspec.Raw(msgspec.json.encode(raw)))


def event(line: bytes) -> Event | None:
    """Of an envelope as JSON. None: a newer daemon's, which this client doesn't know."""
    try:
        known: Event = msgspec.json.decode(msgspec.json.decode(line, type=Envelope).event, type=Event)
    except msgspec.ValidationError:
        return None
    return known


def summary(experiment: str, scratch: Path) -> str:
    """experiment_summary.yaml, brought by way of the directory `scratch`. Raises NotHad, and what asking raises."""
    try:
        listed = connection.ask(FilesAsk(experiment=experiment, kinds=(Kind.REPORTS,)), FilesReply)
    except Refusal as refusal:
        raise NotHad(refusal.refused.what) from None
    brought = Bringing(listed.experiment, scratch).bring(_summary_of(listed), lambda count: None)
    if brought.problem:
        raise NotHad(brought.problem)
    return blank.text(Path(brought.here).read_text(encoding="utf-8", errors="backslashreplace"))


def _summary_of(listed: FilesReply) -> RemoteFile:
    found = next((file for file in listed.files if file.below == naming.SUMMARY), None)
    if found is None:
        raise NotHad("; ".join(listed.left_out) or "it isn't there any more")
    if found.size_bytes > _MOST_BYTES:
        raise NotHad(f"it has {found.size_bytes} bytes")
    return found


def _blanked(said: S) -> S:
    document: Any = blank.document(msgspec.to_builtins(said))
    return msgspec.convert(document, type(said))
