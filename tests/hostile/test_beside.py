"""The corpus run for real by a daemon that has ordinary experiments, too: each of them goes its way as if alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes.experiments import Run, build
from fakes.home import Home, blocks, wait_for
from hostile import corpus

pytestmark = pytest.mark.timeout(300)
CONFIG = "local: {max_running: 8, stagger_seconds: 0, poll_seconds: 0.1, kill_wait_seconds: 1.0, results_seconds: 0.5}\n"
#: One of so many here: all of it is read by tests of their own.
SCAFFOLDS, RESULTS = 15, 6
ORDINARY = ("alone", "beside")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home", CONFIG)
    with home.running():
        yield home


def test_ordinary_experiments_go_their_way(home: Home, tmp_path: Path) -> None:
    alone, beside = (_ordinary(tmp_path / name) for name in ORDINARY)
    assert home.runexp("run", str(alone)).returncode == 0
    assert home.daemon is not None
    pid = home.daemon.pid
    hostile = [case.dir for case in corpus.spoilt(tmp_path / "cases", SCAFFOLDS)]
    for which, prepare in (("trains", corpus.trainings), ("evaluates", corpus.evaluations)):
        hostile.append(tmp_path / which)
        prepare(tmp_path / which, RESULTS)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda dir: home.runexp("run", "--detach", str(dir)), [*hostile, beside]))
    assert [each.stderr for each in done if each.returncode not in (0, 1) or "Traceback" in each.stderr] == []
    wait_for(lambda: home.outcome("beside") is not None, "the ordinary one ends", 120)
    assert home.states("beside") == home.states("alone")
    assert home.outcome("beside") == home.outcome("alone") == "succeeded"
    wait_for(lambda: "ALL_COMPLETE: NAME" in _told(beside), "its log tells of the end")
    assert _told(beside) == _told(alone)
    wait_for(lambda: not _under_way(home), "the others have come to rest, too", 120)
    assert (home.daemon.pid, home.daemon.poll()) == (pid, None)
    assert "Traceback" not in home.log()


def _under_way(home: Home) -> list[str]:
    """Whose jobs are still to change; one that is unclear waits for a person, and what comes after it with it."""
    at_rest = {"VERIFIED", "UNVERIFIED", "UNCLEAR", "FAILED", "SKIPPED", "SUBMIT_FAILED"}
    counts = {each["id"]: each["counts"].keys() for each in home.json("ls")}
    waiting = {id: {"PLANNED"} if "UNCLEAR" in states else set() for id, states in counts.items()}
    return [id for id, states in counts.items() if not at_rest | waiting[id] >= states]


def _ordinary(dir: Path) -> Path:
    return build(
        dir, Run("base", epochs=0), Run("rank4", seconds=1.0), Run("rank8", seconds=1.0), name=dir.name
    )


def _told(dir: Path) -> list[str]:
    """What its log tells of whom: how often is looked, and under which ids, is another's matter."""
    heads = [block.partition("\n")[0] for block in blocks(dir / "run-torchtune.log")]
    return sorted({head.replace(dir.name, "NAME") for head in heads if not head.startswith("STATUS_CHECK")})
