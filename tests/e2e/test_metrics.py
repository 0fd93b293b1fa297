"""What runs did at each step is kept, also where the file it was kept in is deleted, and nobody looked while they ran."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.experiments import Run, build
from fakes.home import Home

RUNS = (Run("base", epochs=0), Run("rank4", epochs=2, seconds=1.0))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    home.start()
    yield home
    home.stop()


def curves(home: Home, *more: str) -> dict[tuple[str, str], list[float]]:
    found = json.loads(home.runexp("metrics", "words", *more, "--format", "json").stdout)["series"]
    return {(series["job"], series["name"]): series["values"] for series in found}


LOSSES = [2.0 / step for step in range(1, 9)]


def test_every_step_is_kept_to_the_last_one(home: Home, tmp_path: Path) -> None:
    assert home.runexp("run", str(build(tmp_path / "exp", *RUNS))).returncode == 0
    known = curves(home)
    assert known["rank4", "loss"] == pytest.approx(LOSSES)
    assert known["rank4", "tokens_per_second"] == pytest.approx([8603.274] * 8)
    assert set(known) >= {("rank4", "lr"), ("base/words", "samples")}


def test_a_deleted_file_is_made_anew_from_what_the_runs_left(home: Home, tmp_path: Path) -> None:
    assert home.runexp("run", str(build(tmp_path / "exp", *RUNS))).returncode == 0
    before = curves(home)
    home.stop()
    for file in (home.dir / "state").glob("metrics.sqlite*"):
        file.unlink()
    home.start()
    assert curves(home) == before


def test_a_file_that_is_none_costs_nothing(home: Home, tmp_path: Path) -> None:
    home.stop()
    for file in (home.dir / "state").glob("metrics.sqlite*"):
        file.unlink()
    (home.dir / "state" / "metrics.sqlite").write_bytes(b"no database" * 1000)
    home.start()
    assert home.runexp("run", str(build(tmp_path / "exp", *RUNS))).returncode == 0
    assert curves(home, "rank4", "--name", "loss") == {("rank4", "loss"): pytest.approx(LOSSES)}


def test_csv_has_a_row_a_point(home: Home, tmp_path: Path) -> None:
    home.runexp("run", str(build(tmp_path / "exp", *RUNS)))
    printed = home.runexp("metrics", "words", "rank4", "--name", "loss", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert [(row["job"], int(row["step"])) for row in rows] == [("rank4", step) for step in range(1, 9)]
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)
    assert seconds[-1] < 30
    assert "rank4" in home.runexp("metrics", "words").stdout
