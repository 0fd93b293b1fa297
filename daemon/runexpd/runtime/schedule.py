"""When a watcher asks its cluster next: ever so often on this machine, within a budget of queries where each one costs.

What a schedule knows it learns from the watches, the reports of each round and the looks between them; after a restart it starts
anew. `now` is of a clock that nobody sets; when a job began is by a clock that somebody may. Of ten thousand that wait none is
looked at when one of those that run has made progress.
"""

import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence, Set
from typing import Protocol

from runexp.wire import states
from runexp.wire.jobs import Progress
from runexpd.clusters.base import JobReport
from runexpd.core import pacing
from runexpd.core.commands import Watch
from runexpd.core.pacing import Awaited
from runexpd.runtime.ends import Ends


class Schedule(Protocol):
    def watch(self, watch: Watch, now: float) -> None:
        """There is a job to ask about, or one of which more is known."""
        ...

    def forget(self, token: str) -> None:
        """There is no longer."""
        ...

    def progressed(self, token: str, made: Progress, now: float) -> None:
        """A look into a job's output found this."""
        ...

    def note(self, reports: Sequence[JobReport], now: float) -> None:
        """A round was asked at `now`, with this news."""
        ...

    def next_at(self, open_gates: Set[str], now: float) -> float:
        """When to ask again; `open_gates` as the core has them."""
        ...

    def look_pause_seconds(self, watch: Watch, now: float) -> float:
        """How long to leave a running job's output alone; looking costs the scheduler nothing."""
        ...


class Every:
    """A fixed pause."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._asked_at = -math.inf

    def watch(self, watch: Watch, now: float) -> None:
        pass

    def forget(self, token: str) -> None:
        pass

    def progressed(self, token: str, made: Progress, now: float) -> None:
        pass

    def note(self, reports: Sequence[JobReport], now: float) -> None:
        self._asked_at = now

    def next_at(self, open_gates: Set[str], now: float) -> float:
        return self._asked_at + self._seconds

    def look_pause_seconds(self, watch: Watch, now: float) -> float:
        return self._seconds


class Budget:
    """So many queries a minute on average, spent where a change is likely: see core.pacing."""

    def __init__(
        self,
        queries_per_minute: float,
        queries: Callable[[], int],
        now: float,
        offset: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`queries`: how many have been asked so far; `offset`: seconds since 1970, less what `now` is at the moment."""
        self._queries = queries
        self._offset = offset
        self._paid = queries()
        self._bucket = pacing.full(queries_per_minute, now)
        self._asked_at = now
        self._ends = Ends()
        #: By token: all; those of them that have begun; and when what was seen of each had changed.
        self._watches: dict[str, Watch] = {}
        self._begun: dict[str, Watch] = {}
        self._changed_at: dict[str, float] = {}
        #: How many at each gate have not begun.
        self._waiting: Counter[str] = Counter()
        #: When these had changed, in order, without repetition; None: to be listed anew.
        self._changes: list[float] | None = None

    @property
    def per_minute(self) -> float:
        return self._bucket.per_minute

    @property
    def asked(self) -> int:
        """How many queries so far."""
        return self._queries()

    def left(self, now: float) -> float:
        """How many may be asked at once."""
        return pacing.refilled(self._bucket, now).queries

    def watch(self, watch: Watch, now: float) -> None:
        self._put_away(watch.token)
        self._watches[watch.token] = watch
        self._changed_at.setdefault(watch.token, now)
        if watch.started_at is not None:
            self._ends.began(watch.token, min(now, watch.started_at - self._offset()))
        if watch.state == states.RUNNING or watch.started_at is not None:
            self._begun[watch.token] = watch
        else:
            self._waiting[watch.gate] += 1

    def forget(self, token: str) -> None:
        self._put_away(token)
        self._ends.forget(token)
        self._changed_at.pop(token, None)

    def _put_away(self, token: str) -> None:
        self._changes = None
        before = self._watches.pop(token, None)
        if before is not None and self._begun.pop(token, None) is None:
            self._waiting[before.gate] -= 1
            if not self._waiting[before.gate]:
                del self._waiting[before.gate]

    def progressed(self, token: str, made: Progress, now: float) -> None:
        self._ends.progressed(token, made, now)

    def note(self, reports: Sequence[JobReport], now: float) -> None:
        self._pay(now)
        self._asked_at = now
        for report in reports:
            if (watch := self._watches.get(report.token)) is not None:
                self._note_one(watch, report, now)

    def _note_one(self, watch: Watch, report: JobReport, now: float) -> None:
        if (watch.state, watch.reason) != (report.state, report.reason):
            self._changed_at[watch.token] = now
            self._changes = None
        if report.final:
            self._ends.ended(watch, report)

    def next_at(self, open_gates: Set[str], now: float) -> float:
        self._pay(now)
        awaited = [*self._awaited_to_begin(now), *self._awaited_to_end(open_gates, now)]
        return pacing.next_round_at(self._bucket, now, self._asked_at, awaited)

    def look_pause_seconds(self, watch: Watch, now: float) -> float:
        seen_at = self._changed_at.get(watch.token, now)
        began_at = self._ends.began_at(watch.token)
        end_at = self._ends.end_at(watch)
        so_far = now - (seen_at if began_at is None else began_at)
        return pacing.look_pause_seconds(so_far, None if end_at is None else end_at - now)

    def _pay(self, now: float) -> None:
        """For whatever has been asked: rounds, and what a person's command or a lost submission took."""
        queries = self._queries()
        self._bucket = pacing.spent(self._bucket, now, queries - self._paid)
        self._paid = queries

    def _awaited_to_begin(self, now: float) -> Iterator[Awaited]:
        """The most urgent ones: what changed last before the last round, and what changed first since then."""
        if self._changes is None:
            waiting = self._changed_at.keys() - self._begun.keys()
            self._changes = sorted({self._changed_at[token] for token in waiting})
        since = bisect_right(self._changes, self._asked_at)
        return (Awaited(min(at, now)) for at in self._changes[max(0, since - 1) : since + 1])

    def _awaited_to_end(self, open_gates: Set[str], now: float) -> Iterator[Awaited]:
        ends = {token: self._ends.end_at(watch) for token, watch in self._begun.items()}
        last = set(self._last_ones(open_gates, ends))
        for token, watch in self._begun.items():
            changed_at, limit = min(self._changed_at[token], now), watch.job.time_limit_seconds
            yield Awaited(changed_at, ends[token], token in last)
            if limit is not None and (began_at := self._ends.began_at(token)) is not None:
                yield Awaited(changed_at, began_at + limit)

    def _last_ones(self, open_gates: Set[str], ends: dict[str, float | None]) -> Iterator[str]:
        """Of each gate that only ends keep shut, the job whose end it will open at, where that can be told."""
        gates: dict[str, list[str]] = defaultdict(list)
        for token, watch in self._begun.items():
            if watch.gate in open_gates or watch.gate == token:
                gates[watch.gate].append(token)
        for gate, tokens in gates.items():
            known = [(end, token) for token in tokens if (end := ends[token]) is not None]
            if not self._waiting[gate] and len(known) == len(tokens):
                yield max(known, key=lambda each: each[0])[1]
