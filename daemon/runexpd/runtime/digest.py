"""Whatever comes from outside is parsed in a child process: nobody waits for it, and it can take no more than it is given.

A thread would not do: it can't be ended, and a pattern or a YAML document holds the interpreter as long as it likes. A child
can be killed, has limits of memory and processor time that hold also when nobody looks after it, and is warm: what it
imported stays. It ends with the daemon, since its questions do.
"""

import atexit
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any, TypeVar, TypeVarTuple, Unpack, assert_never

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

from runexp.text import printable
from runexpd.experiments.problems import BadExperiment
from runexpd.runtime import worker
from runexpd.runtime.worker import Answer, Failed, Raised, Returned

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: Children that are kept for the next question.
MOST_IDLE = 2
#: Threads that wait for a child, or for its end.
_THREADS = 10
#: From its start until it can be asked something: imports from a cold disk, on a busy machine.
_START_SECONDS = 60.0
#: So long is waited for a child that is busy.
_BUSY_SECONDS = 0.1
#: What takes longer lets a second child be started beside it.
_SOON_SECONDS = 1.0
#: Not `-m`: that puts the working directory first on the path, and an experiment's may hold a `random.py`.
_SERVE = "import sys; sys.path[:] = sys.argv[1:]; from runexpd.runtime import worker; worker.serve()"


class Lane(Enum):
    """What is asked, and how many children may be asked so at a time: a scaffold that takes a minute holds up no verdict."""

    READING = 2
    JUDGING = 3
    LOOKING = 1


class Indigestible(Exception):
    """Raised when something takes too long or too much memory to be read, or ends or confuses whoever reads it."""

    def __init__(self, what: str, trace: str = "") -> None:
        #: One printable line.
        self.what = printable(what[:2000])
        #: Of an exception in the child, for the daemon's log.
        self.trace = trace
        super().__init__(self.what)

    def __reduce__(self) -> tuple[type["Indigestible"], tuple[str, str]]:
        return (type(self), (self.what, self.trace))


async def digest(
    work: Callable[[Unpack[Ts]], T],
    *args: *Ts,
    seconds: float = 20.0,
    lane: Lane = Lane.JUDGING,
    raises: tuple[type[Exception], ...] = (BadExperiment,),
) -> T:
    """What `work(*args)` returns, worked out in a child. The function, the arguments and the answer have to pickle.

    Raises what `raises` names as `work` raised it, and Indigestible for all else that can go wrong. Cancelling ends the child.
    """
    async with _limiter(_children[lane], lane.value):
        answer = await _answer(await _child(), (work, args, raises), seconds)
    match answer:
        case Returned():
            return answer.value  # type: ignore[no-any-return]
        case Raised():
            raise answer.error
        case Failed():
            raise Indigestible(answer.what, answer.trace)
        case _:
            assert_never(answer)


async def warm() -> None:
    """Start a child and let it import what it will need: the first question needn't wait for that."""
    async with _limiter(_preparing, 1):
        with suppress(Indigestible):
            await _answer(await _started(), (worker.prepare, (), ()), _START_SECONDS)


async def spare() -> None:
    """See to it that two children have what they need: while one is asked what is only shown, no verdict waits for a start.

    To be cancelled when that was soon answered: then there is no need.
    """
    await anyio.sleep(_SOON_SECONDS)
    if len(_alive) + _limiter(_preparing, 1).borrowed_tokens < MOST_IDLE:
        with anyio.CancelScope(shield=True):
            await warm()


class _Child:
    """A process that is asked one thing at a time. All but `kill` and `alive` blocks."""

    def __init__(self) -> None:
        """Raises OSError."""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _SERVE, *_path()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,  # a terminal's Ctrl-C is for the daemon
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._questions, self._answers = self._process.stdin, self._process.stdout

    def begin(self) -> None:
        """Raises EOFError where it can't."""
        if self._answers.read(1) != worker.READY:
            raise EOFError

    def ask(self, question: tuple[Any, ...], seconds: float) -> tuple[Answer, bool]:
        """Its answer, and whether it stays to be asked again. Raises EOFError and OSError where it is gone."""
        # The path goes before: what the question is made of may have to be imported.
        pickle.dump((seconds, _path()), self._questions, pickle.HIGHEST_PROTOCOL)
        pickle.dump(question, self._questions, pickle.HIGHEST_PROTOCOL)
        self._questions.flush()
        head = self._answers.read(9)
        if len(head) < 9:
            raise EOFError
        return pickle.load(self._answers), head[:1] == worker.STAYS

    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> int:
        """Its exit code, or minus the signal that ended it: by itself if it does so soon, else by force."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._questions, self._answers):
            with suppress(OSError):
                pipe.close()
        return code


#: Outlive an event loop: nothing in them belongs to one.
_alive: set[_Child] = set()
_idle: list[_Child] = []
_children: dict[Lane, RunVar[anyio.CapacityLimiter]] = {
    lane: RunVar(f"runexpd.digest.{lane.name}") for lane in Lane
}
_preparing: RunVar[anyio.CapacityLimiter] = RunVar("runexpd.digest.preparing")
_first_in_line: RunVar[anyio.CapacityLimiter] = RunVar("runexpd.digest.first_in_line")
_threads: RunVar[anyio.CapacityLimiter] = RunVar("runexpd.digest.threads")


@atexit.register
def _end_idle() -> None:
    while _idle:
        child = _idle.pop()
        child.kill()
        child.end()
        _alive.discard(child)


async def _answer(child: _Child, question: tuple[Any, ...], seconds: float) -> Answer:
    """Raises Indigestible."""
    try:
        with anyio.fail_after(seconds):
            answer, stays = await _blocking(child.ask, question, seconds)
    except TimeoutError:
        await _killed(child)
        raise Indigestible(f"it takes longer than {seconds:g} s") from None
    except (EOFError, OSError):
        raise Indigestible(_ended(await _buried(child))) from None
    except (
        Exception
    ) as error:  # a question that doesn't pickle, an answer that doesn't unpickle: whatever those raise
        await _killed(child)
        what = f"it can't be handed to a child process: {type(error).__name__}: {error}"
        raise Indigestible(what) from error
    except BaseException:
        await _killed(child)
        raise
    if stays and len(_idle) < MOST_IDLE:
        _idle.append(child)
    else:
        await _killed(child)
    return answer


async def _child() -> _Child:
    async with _limiter(_first_in_line, 1):
        await _one_is_idle()
        while _idle:
            child = _idle.pop()
            if child.alive():
                return child
            await _buried(child)
    return await _started()


async def _one_is_idle() -> None:
    """Returns once it is, or it isn't worth while to wait for that: a start takes longer than most questions do."""
    if _idle:
        return
    async with _limiter(_preparing, 1):  # until who is about to be ready is so
        with anyio.move_on_after(_BUSY_SECONDS):
            while _alive and not _idle:  # noqa: ASYNC110  # children outlive an event loop, events do not
                await anyio.sleep(0.005)


async def _started() -> _Child:
    """Raises Indigestible."""
    try:
        child = await anyio.to_thread.run_sync(_Child, limiter=_limiter(_threads, _THREADS))
        _alive.add(child)
    except OSError as error:
        raise Indigestible(f"no process can be started to read it: {error.strerror or error}") from None
    try:
        with anyio.fail_after(_START_SECONDS):
            await _blocking(child.begin)
    except (EOFError, OSError):
        raise Indigestible(
            f"the process that is to read it can't start: {_ended(await _buried(child))}"
        ) from None
    except BaseException:
        await _killed(child)
        raise
    return child


async def _blocking(work: Callable[[Unpack[Ts]], T], *args: *Ts) -> T:
    """In a thread that is left behind when we are cancelled: it ends with its child."""
    limiter = _limiter(_threads, _THREADS)
    return await anyio.to_thread.run_sync(work, *args, abandon_on_cancel=True, limiter=limiter)


async def _killed(child: _Child) -> None:
    child.kill()
    await _buried(child)


async def _buried(child: _Child) -> int:
    _alive.discard(child)
    with anyio.CancelScope(shield=True):
        code = await anyio.to_thread.run_sync(child.end, limiter=_limiter(_threads, _THREADS))
    return code


def _ended(code: int) -> str:
    if code == -signal.SIGXCPU:
        return "it takes too much processor time"
    if code < 0:
        return f"the process that read it was ended by {signal.Signals(-code).name}"
    return f"the process that read it ended with code {code}"


def _path() -> list[str]:
    return [entry for entry in sys.path if entry]


def _limiter(kind: RunVar[anyio.CapacityLimiter], places: int) -> anyio.CapacityLimiter:
    try:
        return kind.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(places)
        kind.set(limiter)
        return limiter
