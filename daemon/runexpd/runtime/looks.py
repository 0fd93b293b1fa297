"""Whose output is looked into next: each ever so often, all together not more often than a file system should bear."""

import heapq
import math

#: Of one cluster, on average.
MOST_PER_SECOND = 20.0
#: No output changes faster.
_SHORTEST_PAUSE_SECONDS = 1e-3


class Looks:
    """Times are seconds of a clock that nobody sets; a pause is how long to leave an output alone, were it the only one."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        #: The same, the next one first; an entry that `_at` doesn't hold is out of date.
        self._heap: list[tuple[float, str]] = []
        self._pauses: dict[str, float] = {}
        #: So many a second it would be if none had to wait for another.
        self._wanted = 0.0
        #: When there is room for one more that is new.
        self._free_at = -math.inf

    def begin(self, token: str, now: float) -> None:
        """Look into it as soon as may be, unless it is known already. Many that begin at once take turns."""
        if token not in self._at:
            at = max(now, self._free_at)
            self._free_at = at + 1 / MOST_PER_SECOND
            self._put(token, at)

    def again(self, token: str, pause_seconds: float, now: float) -> None:
        """It was looked into, and is to be again. Where all want more than may be, each gets its share: most, who wants most."""
        if token not in self._at:
            return
        pause = max(pause_seconds, _SHORTEST_PAUSE_SECONDS)
        self._want(token, pause)
        self._put(token, now + pause * max(1.0, self._wanted / MOST_PER_SECOND))

    def forget(self, token: str) -> None:
        self._at.pop(token, None)
        self._want(token, math.inf)
        if not self._at:
            self._wanted, self._heap = 0.0, []

    def next_at(self) -> float:
        """Infinite if there is none."""
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def due(self, now: float) -> list[str]:
        """Those that it is time for, the most overdue first. They are due until `again` or `forget` is called."""
        found = []
        while self.next_at() <= now:
            found.append(heapq.heappop(self._heap))
        for each in found:
            heapq.heappush(self._heap, each)
        return [token for _, token in found]

    def _put(self, token: str, at: float) -> None:
        self._at[token] = at
        heapq.heappush(self._heap, (at, token))

    def _want(self, token: str, pause_seconds: float) -> None:
        self._wanted += 1 / pause_seconds - 1 / self._pauses.pop(token, math.inf)
        if pause_seconds < math.inf:
            self._pauses[token] = pause_seconds
