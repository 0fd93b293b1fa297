"""The best score of an experiment, as `ls` shows it."""

from math import nan

import pytest
from msgspec.structs import replace

from fakes.builders import GOOD, SCORED, World, scaffold
from runexp.wire.jobs import Score
from runexp.wire.views import Best
from runexpd.core.steps.best import best
from runexpd.core.steps.report import line


def scored(values: dict[str, tuple[Score, ...]]) -> World:
    world = World()
    trained = {"rank4": GOOD, "rank8": GOOD}
    verdicts = trained | {id: replace(SCORED, scores=scores) for id, scores in values.items()}
    world.see(scaffold(verdicts=verdicts))
    return world


@pytest.mark.parametrize(
    ("name", "metric", "values", "run"),
    [
        ("match", "accuracy", (0.1, 0.8, 0.4), "rank4"),
        ("match", "perplexity", (3.0, 8.0, 2.5), "rank8"),
        ("match", "accuracy", (nan, nan, 0.4), "rank8"),
    ],
)
def test_the_best_of_the_first_metric(name: str, metric: str, values: tuple[float, ...], run: str) -> None:
    cells = ("base/words", "rank4/words/epoch0", "rank8/words/epoch0")
    spread = Score(name, "stderr", 99.0)
    world = scored(
        {id: (spread, Score(name, metric, value)) for id, value in zip(cells, values, strict=True)}
    )
    found = best(world.experiment)
    assert found is not None
    assert (found.run, found.metric, found.task) == (run, f"{name} {metric}", "words")
    assert line(world.experiment).best == found


def test_without_a_score_there_is_none() -> None:
    assert best(scored({}).experiment) is None
    assert best(scored({"base/words": (Score("match", "accuracy", nan),)}).experiment) is None


def test_it_says_of_which_run_and_epoch() -> None:
    world = scored({"rank4/words/epoch0": (Score("match", "accuracy", 0.5),)})
    assert best(world.experiment) == Best(
        task="words", metric="match accuracy", value=0.5, run="rank4", epoch=0
    )
