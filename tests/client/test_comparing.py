"""Experiments side by side: intervals, differences, and what isn't in all of them."""

import csv
import io
import json

import pytest
from msgspec.structs import replace

from client.conftest import Runexp
from fakes.daemon import FakeDaemon, job, report
from runexp import comparing
from runexp.reporting import side_by_side
from runexp.wire import requests, views
from runexp.wire.jobs import RunSpec, Score
from runexp.wire.recipes import Recipe, WithTexts
from runexp.wire.states import Outcome, Stage


def shown(experiment: str, lr: str, dir: str, torch: str) -> requests.ShowReply:
    recipe = Recipe(
        values={"optimizer.lr": lr, "output_dir": f"{dir}/rank8/out", "seed": "1"},
        versions={"torch": torch},
        commit="0123456789abcdef",
    )
    return requests.ShowReply(experiment=experiment, job="rank8", shown=WithTexts(attempt=1, recipe=recipe))


def scored(run: str, epoch: int | None, value: float, stderr: float | None) -> views.JobView:
    scores = [Score("match", "accuracy", value, 100)]
    if stderr is not None:
        scores.append(Score("match", "stderr", stderr))
    id = f"{run}/words/epoch{epoch}" if epoch is not None else f"{run}/words"
    return job(id, Stage.VERIFIED, "VERIFIED", task="words", epoch=epoch, scores=tuple(scores))


TRAINED = job("rank8", Stage.VERIFIED, "VERIFIED")
FIRST = replace(
    report(Outcome.SUCCEEDED, TRAINED, scored("base", None, 0.1, None), scored("rank8", 0, 0.5, 0.03)),
    runs=(RunSpec("rank8", "fine-tuned", "llama", {"lr": 1e-4, "lora.rank": 8}),),
)
SECOND = replace(
    report(Outcome.PARTIAL, TRAINED, scored("rank8", 0, 0.7, 0.04), scored("rank8", 1, 0.9, 0.02)),
    id="e2",
    name="words2",
    dir="/exp2",
    runs=(RunSpec("rank8", "fine-tuned", "llama", {"lr": 3e-4, "lora.rank": 8}), RunSpec("new", "control")),
)


@pytest.fixture
def both(daemon: FakeDaemon) -> FakeDaemon:
    known = {"words": FIRST, "words2": SECOND}
    daemon.answers[requests.ReportAsk] = lambda asked: [known[asked.experiment]]
    recipes = {"e1": shown("e1", "0.0001", "/exp", "2.13"), "e2": shown("e2", "0.0003", "/exp2", "2.14")}
    daemon.answers[requests.Show] = lambda asked: [recipes[asked.experiment]]
    return daemon


def test_what_differs_and_the_scores_are_side_by_side(both: FakeDaemon, runexp: Runexp) -> None:
    done = runexp("compare", "words", "words2")
    assert done.exit_code == 0
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if "|" in line
    ]
    assert ["rank8: lr", "0.0001", "0.0003"] in rows
    assert ["new: type", "-", "control"] in rows
    assert ["rank8: config optimizer.lr", "0.0001", "0.0003"] in rows
    assert ["rank8: torch", "2.13", "2.14"] in rows
    assert not any("output_dir" in row[0] or "seed" in row[0] or "commit" in row[0] for row in rows)
    assert not any(row[0] == "rank8: lora.rank" for row in rows)
    assert [
        "rank8", "words", "0", "match accuracy",
        "0.500 [0.441, 0.559]", "0.700 [0.622, 0.778]", "+0.200 [0.102, 0.298] *",
    ] in rows  # fmt: skip
    assert ["base", "words", "-", "match accuracy", "0.100", "-", "-"] in rows


def test_as_a_table_for_programs_each_score_is_a_line(both: FakeDaemon, runexp: Runexp) -> None:
    rows = list(csv.DictReader(io.StringIO(runexp("compare", "words", "words2", "--format", "csv").stdout)))
    assert [(row["experiment"], row["run"], row["epoch"], float(row["value"])) for row in rows] == [
        ("words", "base", "", 0.1),
        ("words", "rank8", "0", 0.5),
        ("words2", "rank8", "0", 0.7),
        ("words2", "rank8", "1", 0.9),
    ]
    assert float(rows[1]["stderr"]) == 0.03
    assert rows[1]["samples"] == "100"


def test_as_markdown_and_as_json(both: FakeDaemon, runexp: Runexp) -> None:
    assert "## What differs" in runexp("compare", "words", "words2", "--format", "markdown").stdout
    found = json.loads(runexp("compare", "words", "words2", "--json").stdout)
    assert found["scores"][1]["differences"][0]["value"] == pytest.approx(0.2)


def test_two_of_one_name_are_told_apart_and_one_is_not_enough(both: FakeDaemon, runexp: Runexp) -> None:
    found = comparing.compared([FIRST, replace(SECOND, name="words")])
    assert [side.name for side in found.experiments] == ["words (e1)", "words (e2)"]
    assert runexp("compare", "words").exit_code == 2


def test_without_scores_that_is_said(runexp: Runexp) -> None:
    found = comparing.compared([report(None), replace(report(None), id="e2", name="b")])
    assert "None yet." in side_by_side.text(found)
    assert "Nothing that the summaries say." in side_by_side.text(found)


def table_of(text: str, heading: str) -> list[list[str]]:
    """The rows below a heading, its rule left out."""
    lines = text.partition(f"{heading}\n\n")[2].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if not line.startswith("|-")]


def test_names_that_are_long_are_letters_in_the_columns() -> None:
    long = [replace(FIRST, name="a" * 80), replace(SECOND, name="b" * 80)]
    text = side_by_side.text(comparing.compared(long))
    assert [row[0] for row in table_of(text, "EXPERIMENTS")] == ["", "A", "B"]
    assert table_of(text, "SCORES")[0][-3:] == ["A", "B", "B - A"]
    assert text.count("b" * 80) == 1
    assert table_of(text, "WHAT DIFFERS")[0] == ["what", "A", "B"]


def test_the_same_difference_in_many_runs_is_said_once() -> None:
    def of(number: int, lr: float, seed: int) -> RunSpec:
        return RunSpec(f"r{number}", "fine-tuned", "llama", {"lr": lr, "seed": seed})

    first = replace(FIRST, runs=tuple(of(n, 1e-4, 1) for n in range(60)))
    second = replace(SECOND, runs=tuple(of(n, 3e-4, 1 if n > 1 else 2) for n in range(60)))
    found = comparing.compared([first, second])
    assert len(found.differing) == 62
    text = side_by_side.text(found)
    assert [row[0] for row in table_of(text, "WHAT DIFFERS")] == ["what", "60 runs: lr", "r0, r1: seed"]


def test_epochs_of_a_run_stand_together() -> None:
    first = replace(
        FIRST,
        evaluation=replace(FIRST.evaluation, jobs=tuple(scored(f"r{n}", 0, 0.5, None) for n in range(3))),
    )
    second = replace(
        first,
        id="e2",
        evaluation=replace(
            first.evaluation, jobs=tuple(scored(f"r{n}", e, 0.5, None) for n in range(3) for e in (0, 1))
        ),
    )
    rows = comparing.compared([first, second]).scores
    assert [(row.run, row.epoch) for row in rows] == [(f"r{n}", e) for n in range(3) for e in (0, 1)]


def test_no_spreadsheet_computes_a_name() -> None:
    found = comparing.compared([replace(FIRST, name="=1+1"), SECOND])
    rows = list(csv.reader(io.StringIO(side_by_side.as_csv(found))))
    assert {row[0] for row in rows[1:]} == {"'=1+1", "words2"}
    assert {row[7] for row in rows[1:]} == {"0.1", "0.5", "0.7", "0.9"}
