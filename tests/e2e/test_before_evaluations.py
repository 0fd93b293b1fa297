"""A command before the evaluations, through both commands: held while it fails, shown, and a person's to decide."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.experiments import Run, build, executions
from fakes.home import CONFIG, Home, blocks, wait_for

COMMAND = "test -e cache && echo \"CACHE_BUILT: $(pwd)/words.json\" || { echo 'no cache'; exit 7; }"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home", CONFIG)
    with home.running():
        yield home


def test_it_is_held_until_it_is_mended_and_runs_again(home: Home, tmp_path: Path) -> None:
    experiment = build(tmp_path / "exp", Run("base", epochs=0), Run("rank8", epochs=1))
    home.runexp("run", "--detach", "--before-evaluations", COMMAND, str(experiment))
    wait_for(lambda: "failed" in home.json("status", "words")["trouble"], "its failure is shown")
    shown = home.runexp("status", "words").stdout
    assert "exit code 7: no cache; `runexp retry words` runs it again" in " ".join(shown.split())
    assert home.runexp("logs", "words", "before-evaluations").stdout == "no cache\n"
    assert executions(experiment) == ["rank8"]
    assert home.runexp("run", "--detach", str(experiment)).returncode == 1, "it is under way, and held"
    home.kill()
    home.start()
    (experiment / "cache").touch()
    assert home.runexp("retry", "words").returncode == 0
    assert executions(experiment) == ["base/words", "rank8", "rank8/words_epoch0"]
    log = "\n".join(blocks(experiment / "run-inspect.log"))
    assert "CACHE_PREBUILD: words" in log
    assert "CACHE_PREBUILD_FAILED: words" in log
    assert f"CACHE_BUILT: {experiment}/words.json" in log
    assert "CACHE_PREBUILD_COMPLETE: words" in log
    assert log.index("CACHE_PREBUILD_COMPLETE") < log.index("SUBMIT_EVAL")


def test_it_is_gone_on_without(home: Home, tmp_path: Path) -> None:
    experiment = build(tmp_path / "exp", Run("base", epochs=0))
    slow = "echo $$ > pid; exec sleep 1000"
    home.runexp("run", "--detach", "--before-evaluations", slow, str(experiment))
    wait_for(lambda: (experiment / "pid").exists(), "it runs")
    assert home.runexp("cancel", "--yes", "words").returncode == 0
    assert home.runexp("wait", "words").returncode == 5, "with its experiment it is cancelled"
    assert not Path(f"/proc/{(experiment / 'pid').read_text().strip()}").exists()
    home.runexp("run", "--detach", "--before-evaluations", "exit 1", str(experiment))
    wait_for(lambda: "failed" in home.json("status", "words")["trouble"], "its failure is shown")
    assert home.runexp("retry", "words", "nothing").returncode == 1
    done = home.runexp("accept", "words", "before-evaluations")
    assert done.returncode == 0, done.stdout + done.stderr
    assert executions(experiment) == ["base/words"]


def test_of_the_configuration_it_is_every_experiments(tmp_path: Path) -> None:
    config = CONFIG.replace("local: {", "local: {before_evaluations: date >> dates, ")
    home = Home(tmp_path / "home", config)
    with home.running():
        experiment = build(tmp_path / "exp", Run("base", epochs=0), Run("rank8", epochs=1))
        assert home.runexp("run", str(experiment)).returncode == 0
        assert home.runexp("run", str(experiment)).returncode == 0
        assert len((experiment / "dates").read_text().splitlines()) == 1
