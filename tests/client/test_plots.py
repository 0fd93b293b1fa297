"""Curves as lines: thinned, with gaps, told apart without a colour."""

import math
import time

import pytest
from msgspec.structs import replace

from fakes.daemon import job
from runexp.ui import cells, curves, plots
from runexp.ui.palette import plain
from runexp.ui.plots import Plots
from runexp.wire import metrics
from runexp.wire.metrics import Series
from runexp.wire.states import Phase


def series(run: str, *values: float | None, name: str = metrics.LOSS, attempt: int = 1) -> Series:
    steps = tuple(range(1, len(values) + 1))
    return Series(
        job=run, name=name, steps=steps, seconds=tuple(map(float, steps)), values=values, attempt=attempt
    )


FALLING = [2.5 * math.exp(-n / 60) + 0.3 for n in range(300)]
MANY = [series(f"rank{n}", *(value + n / 20 for value in FALLING)) for n in range(24)]


@pytest.mark.parametrize("size", [(60, 5), (60, 12), (100, 30), (24, 4)])
def test_a_picture_fits(size: tuple[int, int]) -> None:
    lines = curves.lines(MANY, "rank0", metrics.LOSS, *size)
    assert 0 < len(lines) <= size[1]
    assert max(cells.width(plain(line)) for line in lines) <= size[0]


def test_the_runs_own_curve_is_in_a_tone_of_its_own() -> None:
    lines = curves.lines(MANY, "rank0", metrics.LOSS, 80, 16)
    own = "".join(span.text for line in lines for span in line if span.tone == "busy")
    others = "".join(span.text for line in lines for span in line if span.tone == "faint")
    assert own.strip()
    assert others.strip()
    assert "loss 0.3171 at 300, 23 siblings dotted" in plain(lines[0])


def test_a_hole_stays_a_hole() -> None:
    values = [1.0, 1.0, 1.0, *[None] * 94, 1.0, 1.0, 1.0]
    lines = curves.lines([series("a", *values)], "a", metrics.LOSS, 80, 8)
    drawn = max(("".join(s.text for s in line if s.tone == "busy") for line in lines), key=len)
    assert len(drawn.strip()) < 10


@pytest.mark.parametrize(
    "values", [[None, None], [math.nan], [1.0], [2.0, 2.0], [1e30, -1e30], [math.inf, 1.0]]
)
def test_any_values_make_a_picture(values: list[float | None]) -> None:
    assert curves.lines([series("a", *values)], "a", metrics.LOSS, 60, 10)


def test_the_extremes_survive_thinning() -> None:
    values = [1.0] * 10_000
    values[5000] = 9.0
    lines = curves.lines([series("a", *values)], "a", metrics.LOSS, 60, 10)
    assert any("9 ┤" in plain(line) for line in lines)
    assert any(span.tone == "busy" and span.text.strip() for span in lines[1])


def test_other_quantities_are_a_row_each_where_there_is_room() -> None:
    rate = series("rank0", *(n / 1000 for n in range(300)), name=metrics.TOKENS_PER_SECOND)
    said = "\n".join(map(plain, curves.lines([*MANY, rate], "rank0", metrics.LOSS, 80, 16)))
    assert "tokens/s" in said
    assert "▁" in said
    assert "█" in said


def test_a_picture_is_quick() -> None:
    curves.lines(MANY, "rank0", metrics.LOSS, 100, 20)
    began = time.process_time()
    curves.lines(MANY, "rank0", metrics.LOSS, 100, 20)
    assert time.process_time() - began < 0.5


def test_points_that_come_are_put_to_those_that_are_known() -> None:
    shown = Plots()
    shown.add([series("a", 3.0, 2.0)])
    later = Series(job="a", name=metrics.LOSS, steps=(2, 3), seconds=(2.0, 3.0), values=(2.5, 1.0))
    shown.add([later])
    assert "loss 1 at 3" in plain(shown.lines("a", 60, 8)[0])
    assert shown.lines("a", 60, 8) is shown.lines("a", 60, 8)
    assert shown.lines("b", 60, 8) == []


def test_the_newest_attempt_is_drawn() -> None:
    first, second = series("a", 9.0, 8.0), series("a", 3.0, 2.0, attempt=2)
    assert curves.newest([second, first]) == [second]


def test_one_goes_through_the_quantities() -> None:
    shown = Plots()
    shown.add(
        [series("a", 1.0), series("a", 1.0, name=metrics.LEARNING_RATE), series("a", 1.0, name="of_its_own")]
    )
    assert shown.name("a") == metrics.LOSS
    assert [shown.next("a") for _ in range(3)] == [metrics.LEARNING_RATE, "of_its_own", metrics.LOSS]


def test_siblings_do_the_same_and_have_begun() -> None:
    chosen = job("rank8")
    others = [job(f"rank{n}") for n in range(100)]
    wish = plots.wish(
        chosen, "", [chosen, *others, job("x", started_at=None), job("x/words", phase=Phase.EVALUATION)]
    )
    assert (wish.job, wish.name) == ("rank8", metrics.LOSS)
    assert len(wish.siblings) <= curves.MOST_SIBLINGS
    assert "rank8" not in wish.siblings
    assert plots.wish(job("a/w"), "", []).name == metrics.METRIC


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.41234, "0.4123"), (1234.5, "1,234"), (3e-5, "3.00e-05"), (None, "NaN"), (0.0, "0")],
)
def test_numbers_are_short(value: float | None, shown: str) -> None:
    assert curves.number(value) == shown


def test_known_series_that_are_told_again_empty_stay() -> None:
    known = series("a", 1.0, 2.0)
    shown = Plots()
    shown.add([known, replace(known, steps=(), seconds=(), values=())])
    assert "loss 2 at 2" in plain(shown.lines("a", 60, 8)[0])
