"""An agent's session: a client of the protocol's own library, with the command at the other end of its pipes."""

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from client.conftest import Runexp
from fakes.daemon import LIVE, FakeDaemon, experiment, job, report, seen, shown
from runexp.wire import events, requests
from runexp.wire.jobs import Failure, Score
from runexp.wire.recipes import Recipe, WithTexts
from runexp.wire.refusals import Code, Refused
from runexp.wire.states import Outcome, Stage

if TYPE_CHECKING:
    from mcp import ClientSession

TRAINS = experiment(
    job("rank8"),
    job("rank4", Stage.FAILED, "FAILED", detail="no such model", failure=Failure("missing_model", "x")),
)
DONE = job(
    "rank8/words/epoch0", Stage.VERIFIED, "VERIFIED", epoch=0, scores=(Score("match", "accuracy", 0.9),)
)
ENDED = experiment(DONE, outcome=Outcome.PARTIAL, seq=3)
END = events.ExperimentEnded(outcome=Outcome.PARTIAL)
LOOKS = {
    "list_experiments",
    "status",
    "wait",
    "report_of",
    "scores",
    "metrics",
    "log",
    "recipe",
    "compare",
    "plan",
}
RUNEXP = Path(sys.executable).parent / "runexp"


@asynccontextmanager
async def session(*options: str) -> AsyncIterator["ClientSession"]:
    # Not where every process of tests would import it: that takes most of a second.
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client

    command = StdioServerParameters(command=str(RUNEXP), args=["mcp", *options], env=dict(os.environ))
    async with stdio_client(command) as (read, write), ClientSession(read, write) as client:
        await client.initialize()
        yield client


async def said(client: "ClientSession", tool: str, **arguments: Any) -> Any:
    result: Any = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.content[0].text


@pytest.fixture
def known(daemon: FakeDaemon) -> FakeDaemon:
    info = requests.InfoReply(
        version="1", pid=1, started_at=1.0, ledger="l", config="c", clusters=("local",), tools=()
    )
    daemon.answer(requests.Info, info)
    daemon.answer(requests.Status, requests.StatusReply(experiment=TRAINS))
    daemon.answer(requests.ReportAsk, report(Outcome.PARTIAL, DONE))
    recipe = Recipe(values={"optimizer.lr": "0.1"})
    daemon.answer(
        requests.Show,
        requests.ShowReply(experiment="e1", job="rank8", shown=WithTexts(attempt=1, recipe=recipe)),
    )
    daemon.follow([LIVE, shown(TRAINS), seen(3, END), shown(ENDED)])
    return daemon


async def test_an_agent_looks_waits_and_hears_what_is_refused(known: FakeDaemon) -> None:
    async with session() as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == LOOKS
        stands = json.loads(await said(client, "status", experiment="words"))
        assert stands["jobs_by_state"] == {"RUNNING": 1, "FAILED": 1}
        assert [each["id"] for each in stands["jobs"]] == ["rank4"]
        waited = json.loads(await said(client, "wait", experiment="words"))
        assert (waited["reached"], waited["outcome"]) == (True, "partial")
        assert "Run Experiment Complete" in await said(client, "report_of", experiment="words")
        assert json.loads(await said(client, "scores", experiment="words"))[0]["value"] == 0.9
        assert "optimizer.lr" in await said(client, "recipe", experiment="words", job="rank8")
        assert "What differs" in await said(client, "compare", experiments=["words", "words"])
        known.follow([LIVE, shown(TRAINS)])
        waited = json.loads(await said(client, "wait", experiment="words", timeout_seconds=0.2))
        assert (waited["reached"], waited["outcome"]) == (False, "under way")
        unknown = Refused(code=Code.UNKNOWN, what="no experiment is called x", hint="`runexp ls`")
        known.answer(requests.Status, unknown)
        result: Any = await client.call_tool("status", {"experiment": "x"})
        assert result.is_error
        assert "no experiment is called x; `runexp ls`" in result.content[0].text


async def test_changes_are_there_only_where_they_are_allowed(known: FakeDaemon) -> None:
    known.answer(
        requests.Retry,
        requests.RetryReply(experiment="e1", name="words", typed="words", seq=4, jobs=("rank4",)),
    )
    async with session("--allow-changes") as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert names == LOOKS | {"run", "retry", "cancel"}
        assert json.loads(await said(client, "retry", experiment="words")) == {"owed_again": ["rank4"]}
        result: Any = await client.call_tool("cancel", {"experiment": "words", "jobs": []})
        assert result.is_error
    assert not known.of(requests.Cancel)


def test_without_the_library_it_says_what_to_install(runexp: Runexp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "runexp.mcp_server", raising=False)
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    done = runexp("mcp")
    assert done.exit_code == 1
    assert "pip install 'runexp[mcp]'" in done.stderr
