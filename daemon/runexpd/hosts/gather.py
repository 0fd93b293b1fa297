"""Questions that come at one moment go in one command, whoever asks; what hangs, or has no answer, is then asked apart.

A file that gives no answer keeps its place until its time is over. Those that were found to hang have a place of their own,
and so has what is only shown: what counts never waits for it.
"""

from collections.abc import Awaitable, Callable, Sequence

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from runexpd.hosts.base import Answer, Ask, HostUnreachable

#: Commands at a time: for files of which nothing bad is known, for what is only shown of them, and for the others.
_TURNS, _TURNS_OF_GLANCES, _TURNS_OF_SUSPECTS = 2, 1, 1
#: A question among others is given up sooner, so that there is time left to find out which of them hangs.
_SHARE = 1 / 3
#: Paths that are known to hang.
_MOST_SUSPECTS = 10_000

#: What asks a host, in so many seconds. Raises HostUnreachable.
Fetch = Callable[[Sequence[Ask], float], Awaitable[Sequence[Answer]]]


class Unanswered(HostUnreachable):
    """Raised when something came back, and it is no answer."""


class _Lane:
    """Questions that go together."""

    def __init__(self, turns: int, ask: Fetch) -> None:
        self.ask = ask
        self.turns = anyio.Semaphore(turns)
        self.waiting: list[_Question] = []

    def take(self) -> list["_Question"]:
        """All that wait."""
        taken, self.waiting = self.waiting, []
        return taken


class _Question:
    def __init__(self, asks: Sequence[Ask], deadline: float) -> None:
        self.asks = asks
        self.deadline = deadline
        self.is_over = anyio.Event()
        self.answers: Sequence[Answer] = ()
        self.error: Exception | None = None
        #: Whether somebody waits for it.
        self.is_wanted = True

    def seconds_left(self) -> float:
        return max(0.001, self.deadline - anyio.current_time())


class Gathering:
    def __init__(
        self, fetch: Fetch, glance: Fetch, tasks: TaskGroup, limit_seconds: float, name: str
    ) -> None:
        """`glance`: for what is only shown. `limit_seconds`: of a question, waiting for its turn included."""
        self._tasks = tasks
        self._limit_seconds = limit_seconds
        self._name = name
        self._counting, self._shown = _Lane(_TURNS, fetch), _Lane(_TURNS_OF_GLANCES, glance)
        self._turns_of_suspects = anyio.Semaphore(_TURNS_OF_SUSPECTS)
        self._suspects: dict[str, None] = {}

    async def fetch(self, asks: Sequence[Ask]) -> Sequence[Answer]:
        """Raises HostUnreachable."""
        return await self._fetch(asks, self._counting)

    async def glance(self, asks: Sequence[Ask]) -> Sequence[Answer]:
        """As fetch, for what is only shown."""
        return await self._fetch(asks, self._shown)

    async def _fetch(self, asks: Sequence[Ask], lane: _Lane) -> Sequence[Answer]:
        question = _Question(asks, anyio.current_time() + self._limit_seconds)
        if any(ask.path in self._suspects for ask in asks):
            self._tasks.start_soon(self._send_suspect, question)
        else:
            lane.waiting.append(question)
            self._tasks.start_soon(self._send, lane)
        try:
            with anyio.move_on_after(self._limit_seconds):
                await question.is_over.wait()
        finally:
            question.is_wanted = False
        if question.error is not None:
            raise question.error
        if not question.is_over.is_set():
            raise HostUnreachable(f"{self._name}: {asks[0].path}: no answer in time")
        return question.answers

    async def _send(self, lane: _Lane) -> None:
        await anyio.lowlevel.checkpoint()  # what comes at this moment comes along
        async with lane.turns:
            await self._put([question for question in lane.take() if question.is_wanted], lane)

    async def _send_part(self, together: Sequence[_Question], lane: _Lane) -> None:
        async with lane.turns:
            await self._put([question for question in together if question.is_wanted], lane)

    async def _send_suspect(self, question: _Question) -> None:
        async with self._turns_of_suspects:
            await self._put([question] if question.is_wanted else [], self._counting)

    async def _put(self, together: Sequence[_Question], lane: _Lane) -> None:
        if not together:
            return
        asks = [ask for question in together for ask in question.asks]
        left = max(question.seconds_left() for question in together)
        try:
            answers = await lane.ask(asks, left if len(together) == 1 else left * _SHARE)
        except Exception as error:
            self._failed(together, error, lane)
            return
        for question in together:
            question.answers, answers = answers[: len(question.asks)], answers[len(question.asks) :]
            self._forgive(question)
            question.is_over.set()

    def _failed(self, together: Sequence[_Question], error: Exception, lane: _Lane) -> None:
        hangs = isinstance(error.__cause__, TimeoutError)
        # A lost link is everybody's affair.
        is_somebody_s = hangs or isinstance(error, Unanswered) or not isinstance(error, HostUnreachable)
        if is_somebody_s and len(together) > 1:
            half = len(together) // 2
            self._tasks.start_soon(self._send_part, together[:half], lane)
            self._tasks.start_soon(self._send_part, together[half:], lane)
            return
        for question in together:
            if hangs:
                self._suspect(question)
            question.error = error
            question.is_over.set()

    def _suspect(self, question: _Question) -> None:
        if len(self._suspects) < _MOST_SUSPECTS:
            self._suspects |= dict.fromkeys(ask.path for ask in question.asks)

    def _forgive(self, question: _Question) -> None:
        for ask in question.asks:
            self._suspects.pop(ask.path, None)
