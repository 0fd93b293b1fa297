"""A machine at the other end of a shell: commands run there, and files read and written by commands alone.

Everything that is asked at one moment goes in one command. Files that hang hold up nobody else's for long, and never a command.
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import Protocol

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from runexpd.hosts import asking, envelope, evidence, paths, writing
from runexpd.hosts.base import (
    MOST_READ_BYTES,
    Answer,
    Ask,
    FileFact,
    FileMissing,
    FileRefused,
    Found,
    HostUnreachable,
    Limits,
    ListDir,
    Listing,
    Locate,
    Part,
    Place,
    Ran,
    ReadPart,
    StatPath,
    Tree,
    Withheld,
)
from runexpd.hosts.gather import Gathering, Unanswered

#: Of a user in `~user`: what stands here may be seen by a shell.
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
#: A script's own rows, besides what it reads of files.
_ROWS_BYTES = 64 * 1024 * 1024
#: How a shell ends that lacks what it was to run.
_NOT_FOUND = 127
#: At a time; besides one into a file that gave no answer.
_WRITES = 2
#: What stands around a command's own words.
_MARKS_BYTES = 256
#: Of all that one command reads, those that ask for more are asked again for the rest.
_READ_BYTES = MOST_READ_BYTES + 1024 * 1024


class TooMuch(HostUnreachable):
    """Raised when a command wrote more than it may: nobody reads on."""


class Shell(Protocol):
    """The login shell at the other end, by whatever way it is reached."""

    @property
    def name(self) -> str:
        """What the cluster is called."""
        ...

    @property
    def patient(self) -> "Shell":
        """The same, for what is in no hurry: it leaves to others what can be had at once."""
        ...

    async def run(self, script: bytes, begin: bytes, what: str, most_bytes: int) -> tuple[bytes, bytes]:
        """Both streams of one script to its end, from `begin` on.

        Raises TooMuch for more than `most_bytes`, and HostUnreachable where the end did not come. One that is given up is
        not ended.
        """
        ...


class ShellHost:
    """A runexpd.hosts.base.Host. `prepend`: trusted lines of shell put before every command (`module load slurm`)."""

    def __init__(self, shell: Shell, tasks: TaskGroup, prepend: Sequence[str], limits: Limits) -> None:
        """`tasks`: where what nobody waits for any more goes on."""
        self.shell = shell
        self._prepend = tuple(prepend)
        self._limits = limits
        # In threads, since it may be much.
        self._packing = anyio.CapacityLimiter(1)
        self._parsing = anyio.CapacityLimiter(1)
        #: Whoever writes holds up nobody who asks.
        self._writing, self._writing_again = anyio.Semaphore(_WRITES), anyio.Semaphore(1)
        #: Files of which a write is under way, or gave no answer: the next has to wait for its turn elsewhere.
        self._stuck: set[str] = set()
        seconds = limits.files_timeout_seconds
        self._gathering = Gathering(self._fetch, self._glance, tasks, seconds, shell.name)

    async def run(self, argv: Sequence[str], stdin: bytes = b"", timeout_seconds: float = 60.0) -> Ran:
        """Run a command to its end. Nothing of `argv` is ever seen by a shell unquoted.

        The exit code of a command that a signal ended is minus the signal's number. A command that runs into its
        time-out is not killed: it may be half-way through something. `timeout_seconds` includes waiting for the link
        and for a free session. Raises FileRefused for arguments that can't be sent, and HostUnreachable where no exit
        code came back: it may have run.
        """
        paths.check_words(argv)
        script = envelope.running(argv, stdin, self._prepend)
        ended = await self._run(script, argv[0], timeout_seconds, self._limits.output_bytes, self.shell)
        return Ran(
            ended.exit_code, ended.stdout.decode("utf-8", "replace"), ended.stderr.decode("utf-8", "replace")
        )

    async def fetch(self, asks: Sequence[Ask]) -> Sequence[Answer]:
        return await self._gathering.fetch(asks) if asks else []

    async def glance(self, asks: Sequence[Ask]) -> Sequence[Answer]:
        return await self._gathering.glance(asks) if asks else []

    async def read(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        answer = await self._answer(ReadPart(path, offset, MOST_READ_BYTES if size is None else size))
        return _part(path, answer).data

    async def read_apart(self, path: str, offset: int, size: int) -> Part:
        """As in the contract: in a command of its own."""
        (answer,) = await self._glance([ReadPart(path, offset, size)], self._limits.files_timeout_seconds)
        return _part(path, answer)

    async def stat(self, path: str) -> FileFact | None:
        answer = await self._answer(StatPath(path))
        return answer.fact if isinstance(answer, Found) else None

    async def list(self, path: str) -> Sequence[FileFact]:
        answer = await self._answer(ListDir(path))
        return answer.entries if isinstance(answer, Listing) else ()

    async def tree(self, path: str, depth: int) -> Sequence[FileFact]:
        answer = await self._answer(Tree(path, depth))
        return answer.entries if isinstance(answer, Listing) else ()

    async def resolve(self, path: str) -> str:
        """As in the contract; a relative path starts at home."""
        paths.check(path)
        if not path.startswith("/"):
            path = await self._from_home(path)
        answer = await self._answer(Locate(path))
        if not isinstance(answer, Place):
            raise FileMissing(f"{path}: no such file or directory")
        return answer.path

    async def append(self, path: str, data: bytes) -> None:
        await self._write(path, lambda: writing.append(path, data))

    async def replace(self, path: str, data: bytes) -> None:
        await self._write(path, lambda: writing.replace(path, data))

    async def _answer(self, ask: Ask) -> Answer:
        (answer,) = await self.fetch([ask])
        if isinstance(answer, Withheld):
            raise FileRefused(answer.why)
        return answer

    async def _from_home(self, path: str) -> str:
        first, slash, rest = path.partition("/")
        user = first.removeprefix("~") if first.startswith("~") else ""
        if user and not _USER.fullmatch(user):
            raise FileMissing(f"~{user}: there is no such user")
        seconds = self._limits.files_timeout_seconds
        ended = await self._run(f"printf %s ~{user}", "home", seconds, self._limits.output_bytes, self.shell)
        home = ended.stdout.decode("utf-8", "surrogateescape")
        if not home.startswith("/"):
            raise FileMissing(f"~{user}: there is no such user")
        return home + slash + rest if first.startswith("~") else f"{home}/{path}"

    async def _write(self, path: str, make: Callable[[], str]) -> None:
        paths.check(path)
        script = await anyio.to_thread.run_sync(make, limiter=self._packing)
        async with self._writing_again if path in self._stuck else self._writing:
            self._stuck.add(path)
            seconds = self._limits.files_timeout_seconds
            ended = await self._run(script, path, seconds, _ROWS_BYTES, by=self.shell.patient)
            self._stuck.discard(path)
        writing.check(path, ended)

    async def _fetch(self, asks: Sequence[Ask], seconds: float) -> Sequence[Answer]:
        return await self._asked(asks, seconds, self.shell)

    async def _glance(self, asks: Sequence[Ask], seconds: float) -> Sequence[Answer]:
        return await self._asked(asks, seconds, self.shell.patient)

    async def _asked(self, asks: Sequence[Ask], seconds: float, by: Shell) -> Sequence[Answer]:
        """In one command; in more where that would be too much for one."""
        answers: dict[int, Answer] = {}
        left = dict(enumerate(asks))
        while left:
            some = await self._some(list(left.values()), seconds, by)
            found = {n: answer for n, answer in zip(left, some, strict=True) if answer is not None}
            if not found:
                raise Unanswered(f"{self.shell.name}: {asks[0].path}: nothing was said of it")
            answers |= found
            left = {n: ask for n, ask in left.items() if n not in found}
        return [answers[n] for n in range(len(asks))]

    async def _some(self, asks: Sequence[Ask], seconds: float, by: Shell) -> Sequence[Answer | None]:
        sendable = [ask for ask in asks if paths.is_sendable(ask.path)]
        words = asking.Words(envelope.marks().token)
        script = await anyio.to_thread.run_sync(
            asking.script, sendable, words, _READ_BYTES, math.ceil(seconds), limiter=self._packing
        )
        try:
            ended = await self._run(script, asks[0].path, seconds, _READ_BYTES + _ROWS_BYTES, by)
        except TooMuch:
            return await self._halves(asks, seconds, by)
        return await anyio.to_thread.run_sync(
            self._answers, asks, sendable, words, ended, limiter=self._parsing
        )

    async def _halves(self, asks: Sequence[Ask], seconds: float, by: Shell) -> Sequence[Answer | None]:
        if len(asks) == 1:
            return [Withheld(str(paths.too_many(asks[0].path, self._limits.entries)))]
        half = len(asks) // 2
        return [*await self._asked(asks[:half], seconds, by), *await self._asked(asks[half:], seconds, by)]

    def _answers(
        self, asks: Sequence[Ask], sendable: Sequence[Ask], words: asking.Words, ended: envelope.Ended
    ) -> Sequence[Answer | None]:
        """Raises HostUnreachable for what isn't an answer."""
        if ended.exit_code == _NOT_FOUND:
            why = ended.stderr[-200:].decode("utf-8", "replace").strip()
            raise Unanswered(f"{self.shell.name}: {why}")
        try:
            found = evidence.parse(sendable, words, ended.stdout, ended.stderr)
        except ValueError as error:
            what = f"{self.shell.name}: {asks[0].path}: this is no answer: {error}"
            raise Unanswered(what) from error
        return [evidence.answer(ask, found, self._limits.entries) for ask in asks]

    async def _run(
        self, script: str, name: str, timeout_seconds: float, most_bytes: int, by: Shell
    ) -> envelope.Ended:
        marks, what = envelope.marks(), f"{self.shell.name}: {name}"
        try:
            with anyio.fail_after(timeout_seconds):
                sealed = envelope.sealed(script, marks)
                streams = await by.run(sealed, marks.begin, what, most_bytes + _MARKS_BYTES)
        except TooMuch:
            raise TooMuch(f"{what}: more than {most_bytes} bytes of output, so nobody read on") from None
        except TimeoutError as error:
            raise HostUnreachable(f"{what}: no answer in time") from error
        ended = envelope.opened(*streams, marks)
        if ended is None:
            raise HostUnreachable(f"{what}: {astray(marks, *streams)}")
        return ended


def _part(path: str, answer: Answer) -> Part:
    """Raises FileMissing, FileRefused."""
    if isinstance(answer, Withheld):
        raise FileRefused(answer.why)
    if not isinstance(answer, Part):
        raise FileMissing(f"{path}: no such file or directory")
    return answer


def astray(marks: envelope.Marks, stdout: bytes, stderr: bytes) -> str:
    """What became of a command without an end."""
    if marks.begin in stdout:
        return "it began, and nobody knows how it ended"
    said = (stderr or stdout)[-300:].decode("utf-8", "replace").strip()
    if not said:
        return "nothing came back: the connection has gone, or the account's shell runs nothing"
    return f"the account's shell ran something else: {said}"
