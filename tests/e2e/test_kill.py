"""kill -9 of the daemon at any moment: every job is submitted once, and all ends as if nothing had happened."""

from pathlib import Path

import pytest

from fakes.experiments import Run, build, executions
from fakes.home import Home, blocks, harvested, wait_for

RUNS = (Run("base", epochs=0), Run("rank4"), Run("rank8", epochs=2))
ALL = ["base/words", "rank4", "rank4/words_epoch0", "rank8", "rank8/words_epoch0", "rank8/words_epoch1"]
CONFIG = (
    "local: {max_running: 2, stagger_seconds: 0.2, poll_seconds: 0.1, max_submit: 3, results_seconds: 0.5}\n"
)


def wait_for_events(home: Home, count: int) -> None:
    """Or until it has ended."""
    wait_for(lambda: len(home.events()) >= count or bool(home.of_type("ExperimentEnded")), f"{count} events")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("first", [2, 3, 4])
def test_killed_again_and_again(tmp_path: Path, first: int) -> None:
    home, dir = Home(tmp_path / "home", CONFIG), build(tmp_path / "exp", *RUNS)
    home.start()
    home.runexp("run", "--detach", str(dir))
    for kill in range(10):
        wait_for_events(home, first + 4 * kill)
        home.kill()
        home.start()
    assert home.runexp("attach", "words").returncode == 0
    home.stop()

    assert executions(dir) == ALL
    tokens = [event["token"] for event in home.of_type("AttemptIntended")]
    assert len(tokens) == len(set(tokens)) == len(ALL)
    jobs = {event["job"]: event["slurm_job_id"] for event in home.of_type("SubmitAccepted")}
    trained = harvested(dir / "run-torchtune.log", "SUBMIT_JOB")
    evaluated = harvested(dir / "run-inspect.log", "SUBMIT_EVAL")
    assert sorted(trained + evaluated) == sorted(jobs.items())
    for name in ("experiment", "torchtune", "inspect"):
        seen = blocks(dir / f"run-{name}.log")
        assert len(seen) == len(set(seen)), "a block was written twice"
    assert blocks(dir / "run-experiment.log")[-1].startswith("EXPERIMENT_COMPLETE")


@pytest.mark.timeout(120)
def test_a_daemon_that_was_away_while_all_happened_catches_up(tmp_path: Path) -> None:
    home, dir = Home(tmp_path / "home"), build(tmp_path / "exp", *RUNS)
    home.start()
    home.runexp("run", "--detach", str(dir))
    wait_for(lambda: len(home.of_type("SubmitAccepted")) == 2, "both are submitted")
    home.kill()
    checkpoints = [dir / "rank4" / "artifacts" / "epoch_0", dir / "rank8" / "artifacts" / "epoch_1"]
    wait_for(lambda: all((c / "config.json").exists() for c in checkpoints), "both are trained")
    home.start()
    assert home.runexp("attach", "words").returncode == 0
    home.stop()
    assert executions(dir) == ALL
