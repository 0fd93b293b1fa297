"""What a link holds, and what opens it: by whatever program."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from runexpd.hosts.link import Answer
from runexpd.hosts.login import Keepalive
from runexpd.hosts.ssh_target import SshTarget
from runexpd.hosts.threads import Threads


class Connection(Protocol):
    def is_closed(self) -> bool: ...

    def close(self) -> None: ...

    async def wait_closed(self) -> None: ...

    def abort(self) -> None: ...


C = TypeVar("C", bound=Connection)
C_co = TypeVar("C_co", bound=Connection, covariant=True)


class Dial(Protocol[C_co]):
    """Connects and logs in.

    `seconds` is for each hop, the person's typing included. What blocks is done in `threads`. Raises LoginNeedsPerson,
    LoginRefused, and HostUnreachable, OSError or asyncssh.Error where trying again later may do.
    """

    async def __call__(
        self,
        target: SshTarget,
        *,
        threads: Threads,
        on_lost: Callable[[Any, str], None],
        seconds: float,
        keepalive: Keepalive,
        answer: Answer | None,
    ) -> C_co: ...
