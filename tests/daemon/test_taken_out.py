"""An experiment that somebody takes out of the ledger while something is asked of it."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fakes.builders import World, scaffold
from runexp.wire import requests
from runexp.wire.refusals import Code
from runexpd.api import asking, conversation, find
from runexpd.api.context import Context
from runexpd.clusters.base import Cluster
from runexpd.core.state import State
from runexpd.core.steps import again
from runexpd.ledger.store import Ledger
from runexpd.runtime.loop import Loop
from runexpd.runtime.shelf import Removed, Shelf

ASKED: list[tuple[Callable[[Context, Any], Awaitable[Any]], requests.Request]] = [
    (asking.retry, requests.Retry(experiment="words", jobs=())),
    (asking.rerun, requests.Rerun(experiment="words", jobs=("rank4",))),
    (asking.accept, requests.Accept(experiment="words", jobs=("rank4",))),
]


@pytest.mark.parametrize(("ask", "asked"), ASKED, ids=["retry", "rerun", "accept"])
async def test_whoever_asks_is_told(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[[Context, Any], Awaitable[Any]], asked: requests.Request
) -> None:
    world, seen = World(), scaffold()
    world.see(seen)

    async def experiment(*_: object) -> Any:
        return world.experiment

    async def look(*_: object) -> Any:
        return seen

    async def tell(_: object) -> tuple[()]:
        return ()

    monkeypatch.setattr(find, "experiment", experiment)
    monkeypatch.setattr(find, "cluster", lambda *_: cast(Cluster, None))
    monkeypatch.setattr(asking, "look", look)
    monkeypatch.setattr(again, "acceptable", lambda _, named: named)
    loop = cast(Loop, SimpleNamespace(state=State(), tell=tell))
    shelf = Shelf(cast(Ledger, None))
    context = SimpleNamespace(loop=loop, shelf=shelf, still=lambda id: shelf.there(loop, id))
    with pytest.raises(Removed) as removed:
        await ask(cast(Context, context), asked)
    told = conversation.refused(removed.value)
    assert told.code is Code.UNKNOWN
    assert "runexp run DIR" in told.hint
