"""Questions that come at one moment go in one command, whoever asks; what hangs, or has no answer, is then asked apart.

A file that gives no answer keeps its place until its time is over. Those that were found to hang have a place of their own.
"""

from collections.abc import Awaitable, Callable, Sequence

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from runexpd.hosts.base import Answer, Ask, HostUnreachable

#: Commands at a time: for files of which nothing bad is known, and for the others.
_TURNS, _TURNS_OF_SUSPECTS = 2, 1
#: A question among others is given up sooner, so that there is time left to find out which of them hangs.
_SHARE = 1 / 3
#: Paths that are known to hang.
_MOST_SUSPECTS = 10_000

#: What asks a host, in so many seconds. Raises HostUnreachable.
Fetch = Callable[[Sequence[Ask], float], Awaitable[Sequence[Answer]]]


class Unanswered(HostUnreachable):
    """Raised when something came back, and it is no answer."""


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
    def __init__(self, fetch: Fetch, tasks: TaskGroup, limit_seconds: float, name: str) -> None:
        """`limit_seconds`: of a question, waiting for its turn included."""
        self._ask = fetch
        self._tasks = tasks
        self._limit_seconds = limit_seconds
        self._name = name
        self._turns = anyio.Semaphore(_TURNS)
        self._turns_of_suspects = anyio.Semaphore(_TURNS_OF_SUSPECTS)
        self._waiting: list[_Question] = []
        self._suspects: dict[str, None] = {}

    async def fetch(self, asks: Sequence[Ask]) -> Sequence[Answer]:
        """Raises HostUnreachable."""
        question = _Question(asks, anyio.current_time() + self._limit_seconds)
        if any(ask.path in self._suspects for ask in asks):
            self._tasks.start_soon(self._send_suspect, question)
        else:
            self._waiting.append(question)
            self._tasks.start_soon(self._send)
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

    async def _send(self) -> None:
        await anyio.lowlevel.checkpoint()  # what comes at this moment comes along
        async with self._turns:
            together, self._waiting = self._waiting, []
            await self._put([question for question in together if question.is_wanted])

    async def _send_part(self, together: Sequence[_Question]) -> None:
        async with self._turns:
            await self._put([question for question in together if question.is_wanted])

    async def _send_suspect(self, question: _Question) -> None:
        async with self._turns_of_suspects:
            await self._put([question] if question.is_wanted else [])

    async def _put(self, together: Sequence[_Question]) -> None:
        if not together:
            return
        asks = [ask for question in together for ask in question.asks]
        left = max(question.seconds_left() for question in together)
        try:
            answers = await self._ask(asks, left if len(together) == 1 else left * _SHARE)
        except Exception as error:
            self._failed(together, error)
            return
        for question in together:
            question.answers, answers = answers[: len(question.asks)], answers[len(question.asks) :]
            self._forgive(question)
            question.is_over.set()

    def _failed(self, together: Sequence[_Question], error: Exception) -> None:
        hangs = isinstance(error.__cause__, TimeoutError)
        # A lost link is everybody's affair.
        is_somebody_s = hangs or isinstance(error, Unanswered) or not isinstance(error, HostUnreachable)
        if is_somebody_s and len(together) > 1:
            half = len(together) // 2
            self._tasks.start_soon(self._send_part, together[:half])
            self._tasks.start_soon(self._send_part, together[half:])
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
