"""The commit is worth knowing, and nothing waits for it or fails for it."""

from typing import Any, cast

from runexpd.hosts.base import Host, HostUnreachable
from runexpd.runtime.recipes import read


class SlowGit:
    """A host on which only git is asked."""

    async def run(self, argv: list[str], **_: Any) -> None:
        raise HostUnreachable("no answer within 10 s")


async def test_a_git_that_gives_no_answer_hinders_nothing() -> None:
    assert await read({}, cast(Host, SlowGit()), "/e", []) == []
