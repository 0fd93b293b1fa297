"""`runexp archive`, `rm`, `gc` and `ledger`, by a real daemon."""

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from msgspec.structs import replace

from fakes.builders import ID, World, scaffold
from fakes.experiments import Run, build, executions
from fakes.home import Home, wait_for
from runexp.wire.upkeep import Discard, Leftovers
from runexpd.api import find, upkeep
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal
from runexpd.core.observations import Queued
from runexpd.hosts.base import HostUnreachable
from runexpd.ledger import desk

pytestmark = pytest.mark.long


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    home.start()
    yield home
    home.stop()


def done(home: Home, *words: str) -> subprocess.CompletedProcess[str]:
    ran = home.runexp(*words)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran


def names(home: Home, *words: str) -> list[str]:
    return [line["name"] for line in home.json("ls", *words)]


def test_what_is_over_goes_out_of_sight_and_out_of_the_ledger(home: Home, tmp_path: Path) -> None:
    words, other = (build(tmp_path / name, Run("r"), name=name) for name in ("words", "other"))
    done(home, "run", str(words))
    done(home, "run", str(other))
    done(home, "archive", "words")
    assert names(home) == ["other"]
    assert names(home, "--archived") == ["words"]
    assert "no experiment" not in done(home, "status", "words").stdout
    done(home, "archive", "--undo", "words")
    assert set(names(home)) == {"words", "other"}
    assert home.runexp("rm", "words").returncode == 2  # nobody is here to be asked
    done(home, "rm", "--yes", "words")
    assert names(home) == ["other"]
    assert home.runexp("status", "words").returncode == 1
    assert "Traceback" not in home.log()
    home.kill()
    home.start()
    assert names(home) == ["other"]
    # Entered anew, with what lies there finished; nothing runs again.
    done(home, "run", str(words))
    assert set(names(home)) == {"words", "other"}
    assert executions(words) == ["r", "r/words_epoch0"]


def test_what_is_under_way_can_not_be_put_away(home: Home, tmp_path: Path) -> None:
    done(home, "run", "--detach", str(build(tmp_path / "words", Run("r", seconds=60))))
    for verb in (("archive",), ("rm", "--yes")):
        refused = home.runexp(*verb, "words")
        assert refused.returncode == 1
        assert "is not over" in refused.stderr
        assert "runexp cancel words" in refused.stderr
    done(home, "cancel", "--yes", "words")


def test_leftovers_of_what_is_over_are_deleted_and_those_of_others_stay(home: Home, tmp_path: Path) -> None:
    done(home, "run", str(build(tmp_path / "words", Run("r"))))
    done(home, "run", "--detach", str(build(tmp_path / "runs", Run("r", seconds=60), name="runs")))
    wait_for(lambda: len(home.of_type("SubmitAccepted")) == 3, "the third is submitted")
    assert home.json("gc", "local") == {
        "type": "LeftoversReply",
        "cluster": "local",
        "over": 0,
        "needed": 3,
        "unknown": 0,
    }
    found = home.json("gc", "local", "--days", "0", "--yes")
    assert (found["over"], found["needed"]) == (2, 1)
    assert home.json("gc", "local", "--days", "0", "--yes")["over"] == 0
    assert home.runexp("gc", "nowhere").returncode == 1
    done(home, "cancel", "--yes", "runs")


async def test_what_was_taken_over_from_an_experiment_that_was_removed_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its job is asked for by the token that it was sent with."""
    world = World()
    queued = Queued(slurm_job_id="7", mark="gone-1", output="")
    world.see(replace(scaffold(), queued={"rank4": queued}))

    class Keeping:
        name = "local"

        async def kept(self) -> list[str]:
            return ["gone-1", "lost-1", f"{ID}-1", "strange-1"]

    async def removed(ask: object) -> frozenset[str]:
        return frozenset({"gone", "lost"})

    monkeypatch.setattr(find, "cluster", lambda context, name: Keeping())
    monkeypatch.setattr(desk, "ask", removed)
    context = cast(Context, SimpleNamespace(loop=world, ledger=None))
    found = await upkeep.leftovers(context, Leftovers(cluster="local", days=0.0))
    assert (found.over, found.needed, found.unknown) == (1, 2, 1)


async def test_a_cluster_that_falls_silent_meanwhile_may_have_deleted_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Silent:
        async def forget(self, tokens: Sequence[str]) -> None:
            raise HostUnreachable("far: no answer in time")

    async def found(*_: object) -> tuple[list[str], None]:
        return ["e1-1-1"], None

    monkeypatch.setattr(find, "cluster", lambda context, name: Silent())
    monkeypatch.setattr(upkeep, "_sorted", found)
    with pytest.raises(Refusal) as refused:
        await upkeep.discard(cast(Context, None), Discard(cluster="far", days=0.0))
    assert "may be gone" in refused.value.refused.hint


def test_a_ledger_that_is_put_back_submits_nothing_twice(home: Home, tmp_path: Path) -> None:
    """Its copy is from before the evaluations: they have run since, and one training still does."""
    experiment = build(
        tmp_path / "words", Run("quick", seconds=0.2), Run("slow", seconds=6), Run("never", seconds=0.2)
    )
    config = (home.dir / "config.yaml").read_text().replace("max_running: 4", "max_running: 4, max_submit: 1")
    (home.dir / "config.yaml").write_text(config)
    done(home, "daemon", "reload")
    done(home, "run", "--detach", str(experiment))
    copy = tmp_path / "copy.sqlite"
    done(home, "ledger", "backup", str(copy))
    assert home.runexp("ledger", "restore", str(copy)).returncode == 1  # the daemon uses it
    wait_for(lambda: len(home.of_type("SubmitAccepted")) >= 2, "another is submitted")
    home.stop()
    done(home, "ledger", "restore", str(copy))
    done(home, "ledger", "check")
    home.start()
    trouble = home.json("status", "words")["trouble"]
    assert "was restored" in trouble
    assert f"runexp run {experiment}" in trouble
    done(home, "run", str(experiment))
    ran = executions(experiment)
    assert ran == sorted(set(ran))
    assert len(ran) == 6
    assert home.json("status", "words")["outcome"] == "succeeded"
