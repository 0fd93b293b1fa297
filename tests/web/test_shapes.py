"""What a page shows of an experiment: urgent things first, no more than it can hold, curves with their gaps, scores with errors."""

import re
from pathlib import Path

import pytest

from fakes import daemon as shown
from runexp.ui.standing import Standing
from runexp.wire.jobs import Score
from runexp.wire.metrics import Series
from runexp.wire.states import Stage
from runexp.wire.views import JobView
from runexpd.web import actions, answers, curves, rendering, scores, shapes

ROOT = Path(__file__).parents[2]


def series(*values: float | None, job: str = "rank8", attempt: int = 1) -> Series:
    count = len(values)
    return Series(
        job=job,
        name="loss",
        attempt=attempt,
        steps=tuple(range(1, count + 1)),
        seconds=tuple(map(float, range(count))),
        values=values,
    )


def test_a_gap_breaks_a_line() -> None:
    drawn = curves.picture("loss", [series(2.0, 1.5, None, 1.0, None)])
    assert drawn is not None
    assert [len(piece.split()) for piece in drawn.lines[0].pieces] == [2, 1]
    assert drawn.lines[0].last == 1.0


@pytest.mark.parametrize("values", [(), (None, None)])
def test_where_there_is_nothing_to_draw_there_is_no_picture(values: tuple[float | None, ...]) -> None:
    assert curves.picture("loss", [series(*values)]) is None


@pytest.mark.parametrize("values", [(1.0,), (1.0, 1.0), (-5e300, 5e300), (1e-12, 2e-12), (1e9, 1e9 + 1)])
def test_whatever_the_figures_are_all_of_it_lies_in_the_picture(values: tuple[float, ...]) -> None:
    drawn = curves.picture("loss", [series(*values)])
    assert drawn is not None
    for point in " ".join(drawn.lines[0].pieces).split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= curves.WIDTH
        assert 0 <= y <= curves.HEIGHT
    assert all(0 <= tick.at <= curves.WIDTH for tick in (*drawn.across, *drawn.up))


def test_an_attempt_that_another_one_followed_is_fainter() -> None:
    drawn = curves.picture("loss", [series(2.0, 1.0), series(2.0, 1.0, attempt=2)])
    assert drawn is not None
    assert [line.is_earlier for line in drawn.lines] == [True, False]
    assert [line.label for line in drawn.named] == ["rank8"]
    assert drawn.lines[0].label == "rank8, attempt 1"


def test_of_hundreds_of_lines_some_are_named_and_more_are_in_a_fold() -> None:
    drawn = curves.picture("loss", [series(2.0, 1.0, job=f"r{n}") for n in range(200)])
    assert drawn is not None
    assert (len(drawn.lines), len(drawn.named), len(drawn.more), drawn.unnamed) == (200, 12, 100, 88)
    assert [line.place for line in (*drawn.named, *drawn.more)] == list(range(112))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.5, "0.5"),
        (1500.0, "1500"),
        (0.00015, "0.00015"),
        (2e-5, "2e-5"),
        (1050000.0, "1.05e+6"),
        (0.0, "0"),
    ],
)
def test_a_figure_beside_an_axis_is_short(value: float, said: str) -> None:
    assert curves._said(value) == said


def test_no_two_of_many_runs_look_alike() -> None:
    looks = [curves.look(place) for place in range(curves.COLOURS * curves.DASHES)]
    assert len(set(looks)) == len(looks)


def scored(value: float, stderr: float | None) -> JobView:
    errors = () if stderr is None else (Score("match", "stderr", stderr),)
    return shown.job(
        "r/words", Stage.VERIFIED, task="words", scores=(Score("match", "accuracy", value), *errors)
    )


@pytest.mark.parametrize(
    ("value", "stderr", "ends"),
    [
        (0.5, 0.1, (40, 60)),
        (0.5, None, (50, 50)),
        (0.5, float("nan"), (50, 50)),
        (0.0, 0.0, (0, 0)),
        (50.0, 5.0, None),
    ],
)
def test_a_score_has_its_error_beside_it(
    value: float, stderr: float | None, ends: tuple[float, float] | None
) -> None:
    (chart,) = scores.charts([shown.experiment(scored(value, stderr))])
    (row,) = chart.rows
    assert 0 <= row.low <= row.at <= row.high <= 100
    assert ends is None or (row.low, row.high) == pytest.approx(ends)


def test_the_same_run_of_several_experiments_stands_side_by_side() -> None:
    both = [
        shown.experiment(
            *(
                shown.job(f"{run}/words/epoch{epoch}", Stage.VERIFIED, task="words", epoch=epoch, scores=(Score("match", "accuracy", 0.5),))
                for run in ("a", "b")
                for epoch in epochs
            ),
            id=id, name=id,
        )
        for id, epochs in (("e1", (1,)), ("e2", (0, 1)))
    ]  # fmt: skip
    (chart,) = scores.charts(both)
    assert [(row.run, row.of, row.experiment, row.side) for row in chart.rows] == [
        ("a", "epoch 0", "e2", 1), ("a", "epoch 1", "e1", 0), ("a", "epoch 1", "e2", 1),
        ("b", "epoch 0", "e2", 1), ("b", "epoch 1", "e1", 0), ("b", "epoch 1", "e2", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("rank8", "rank8"),
        ("lora_rank8", "lora_<wbr>rank8"),
        ("lr2e-4", 'lr<span class="whole">2e-4</span>'),
        ("a_0.03", 'a_<wbr><span class="whole">0.03</span>'),
        ("/exp/<b>_&", "/<wbr>exp/<wbr>&lt;b&gt;_<wbr>&amp;"),
        ("\u202e_\x00", "\\u202e_<wbr>\\x00"),
    ],
)
def test_a_name_may_end_a_line_but_never_within_a_number(name: str, made: str) -> None:
    assert str(rendering.FILTERS["name"](name)) == made


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_has_no_place_on_an_axis(value: float) -> None:
    assert scores.charts([shown.experiment(scored(value, None))]) == []


def test_every_way_to_stand_has_its_part_of_the_bar() -> None:
    assert set(shapes._ORDER) == set(Standing)
    style = (ROOT / "daemon/runexpd/web/static/page.css").read_text()
    for each in Standing:
        assert re.search(rf"rect\.{each.name.lower()}\b", style), each


def test_of_thousands_of_jobs_few_are_shown_until_they_are_asked_for() -> None:
    view = shown.experiment(*(shown.job(f"r{n}", Stage.VERIFIED, "VERIFIED") for n in range(5000)))
    (few,) = shapes.groups(view, "", "", 0)
    assert (few.total, len(few.jobs), few.is_open) == (5000, shapes.FEW, False)
    (many,) = shapes.groups(view, "", "done", 49)
    assert (many.page, many.pages, [job.id for job in many.jobs][-1]) == (49, 50, "r4999")
    (last,) = shapes.groups(view, "", "done", 10**9)
    assert last.page == 49
    (found,) = shapes.groups(view, "R4711 verified", "", 0)
    assert [job.id for job in found.jobs] == ["r4711"]
    assert list(shapes.groups(view, "nothing", "", 0)) == []


def test_every_address_is_documented() -> None:
    text = (ROOT / "docs/page.md").read_text()
    for path in answers.ANSWERS:
        assert f"`{path}" in text
    for name in actions.VERBS:
        assert f"/{name}`" in text
