"""A connection to a cluster, as whoever asks about it sees it: how it stands, what hinders it, a person's login.

By whatever program it is held: nothing of that is imported here, since it takes a third of a daemon's start.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import anyio
import msgspec


class Idle(msgspec.Struct, frozen=True, tag=True):
    """Nobody has asked for it yet."""


class Connecting(msgspec.Struct, frozen=True, tag=True):
    since: float


class Connected(msgspec.Struct, frozen=True, tag=True):
    since: float


class Down(msgspec.Struct, frozen=True, tag=True):
    """Lost, or not to be had; tried again by itself as soon as somebody asks for it."""

    since: float
    why: str
    next_try_at: float


class LoginNeeded(msgspec.Struct, frozen=True, tag=True):
    """Parked: no attempt is made until a person logs in."""

    since: float
    why: str


class Refused(msgspec.Struct, frozen=True, tag=True):
    """A host key that isn't accepted, no permission, a broken configuration: somebody has to change something."""

    since: float
    why: str
    hint: str
    next_try_at: float


#: Times are seconds of the link's own clock.
Status = Idle | Connecting | Connected | Down | LoginNeeded | Refused


class Prompt(msgspec.Struct, frozen=True):
    text: str
    #: False: what is typed must not be shown.
    echo: bool


class Prompts(msgspec.Struct, frozen=True):
    """Questions of a server, to be shown together. With no prompt in it: only something to read."""

    title: str
    instructions: str
    prompts: tuple[Prompt, ...]


#: Asks a person; returns an answer a prompt, or None to give up, as does raising anything.
Answer = Callable[[Prompts], Awaitable[Sequence[str] | None]]


class Link(Protocol):
    @property
    def status(self) -> Status: ...

    def changed(self) -> anyio.Event:
        """The event that the next change of status sets: take it, then look."""
        ...

    def trouble(self) -> str:
        """What hinders the link, in one line; empty when nothing does."""
        ...

    async def login(self, answer: Answer) -> None:
        """Log in with a person at hand. Raises HostUnreachable, saying why."""
        ...
