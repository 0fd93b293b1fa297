"""What jobs print: the last lines, an earlier attempt's, and those of one that hasn't begun."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.experiments import Run, build
from fakes.home import BIN, Home, wait_for
from runexpd.api import outputs
from runexpd.hosts.local import LocalHost


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    with home.running():
        yield home


@pytest.mark.parametrize("chunk", [1, 3, 1000])
@pytest.mark.parametrize(
    ("text", "count", "said"),
    [
        ("a\nb\nc\n", 2, "b\nc\n"),
        ("a\nb\nc", 1, "c"),
        ("a\nb\n", 9, "a\nb\n"),
        ("a\n", 0, ""),
        ("", 3, ""),
        ("\n\n\n", 2, "\n\n"),
    ],
)
async def test_the_last_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, text: str, count: int, said: str
) -> None:
    monkeypatch.setattr(outputs, "CHUNK_BYTES", chunk)
    path = tmp_path / "out"
    path.write_text(text)
    begin = await outputs._last_lines(LocalHost(), str(path), len(text), count)
    assert text[begin:] == said


@pytest.mark.long
def test_of_a_job_that_has_not_begun_the_output_is_waited_for(home: Home, tmp_path: Path) -> None:
    dir = build(tmp_path / "words", Run("first", seconds=5.0), Run("r"))
    assert home.runexp("run", "--detach", str(dir)).returncode == 0
    argv: list[str | Path] = [BIN / "runexp", "logs", "-f", "words", "r/words/epoch0"]
    with subprocess.Popen(
        argv, env=home.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as following:
        said, noted = following.communicate(timeout=60)
    assert "r/words/epoch0 is " in noted
    assert "waiting for its output" in noted
    assert said
    assert following.returncode == 0


@pytest.mark.long
def test_each_attempt_has_an_output_of_its_own(home: Home, tmp_path: Path) -> None:
    dir = build(tmp_path / "words", Run("r", fate="bad_config"))
    home.runexp("run", str(dir))
    assert home.runexp("retry", "words").returncode == 4  # it fails again
    wait_for(lambda: home.outcome("words") is not None, "it ends")
    replies = [home.runexp("logs", "words", "r", "--attempt", str(n), "--json").stdout for n in (1, 2)]
    paths = [json.loads(reply.splitlines()[-1])["path"] for reply in replies]
    assert paths[0] != paths[1]
    refused = home.runexp("logs", "words", "r", "--attempt", "7")
    assert "no output of attempt 7" in refused.stderr
    assert "attempts: 1, 2" in refused.stderr
    assert home.runexp("logs", "words", "r", "-n", "1").stdout.count("\n") <= 1
    listed = [
        [e["name"] for e in home.json("ls", *words)]
        for words in (
            ["w*"],
            ["x*"],
            ["--state", "failed"],
            ["--state", "running"],
            ["--days", "1", "--cluster", "local"],
        )
    ]
    assert listed == [["words"], [], ["words"], [], ["words"]]


def test_help_is_a_command_too(home: Home) -> None:
    assert "Example:  runexp plan exp7" in home.runexp("help", "plan").stdout
    whole = home.runexp("help").stdout
    assert "..." not in whole.partition("Commands:")[2]
    assert home.runexp("help", "nothing").returncode == 2
