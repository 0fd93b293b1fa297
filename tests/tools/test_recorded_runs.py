"""Real trainings of many kinds, as runexp ran them: their verdicts, how far they were, what they did at each step. See runs/README.md."""

import math
from pathlib import Path
from typing import NamedTuple

import pytest

from fakes.evidence import answered
from runexp.wire import metrics
from runexp.wire.jobs import Finding, JobSpec, Verdict
from runexpd.tools.base import Attempt
from runexpd.tools.curves import Point
from runexpd.tools.torchtune import TOOL
from runexpd.tools.torchtune_verdict import DIVERGED, NO_INDEX, OWN_ADAPTERS
from tools.runs import recording
from tools.runs.cases import CASES

WHOLE = "2 epochs, 12 steps"
#: Whose results are good: what is said of them.
GOOD = {
    **dict.fromkeys(("merged", "adapter", "full", "dora", "qlora", "packed", "accumulating", "dpo"), WHOLE),
    **dict.fromkeys(("sharded", "bin", "torchtune_format", "meta_format"), WHOLE),
    **dict.fromkeys(("stdout", "tensorboard", "wandb", "redirected", "not_finite"), WHOLE),
    **dict.fromkeys(("redirected_bars", "torchtune_adapter"), WHOLE),
    **dict.fromkeys(("distributed", "distributed_adapter", "distributed_full", "distributed_wandb"), WHOLE),
    "unseen": "2 epochs",
    "overridden": "1 epoch, 6 steps",
    "resumed": "2 epochs, 24 steps",
    "resumed_adapter": "2 epochs, 24 steps",
}
WARNED = {
    "not_finite": DIVERGED,
    "torchtune_format": NO_INDEX,
    "meta_format": NO_INDEX,
    "torchtune_adapter": OWN_ADAPTERS,
}
NO_STEPS = "no sign of a training step"
#: Why the others failed, or will have failed where nothing more comes to light.
FAILED = {
    "ended": ("killed", "it was killed by SIGTERM"),
    "resumed_at_its_end": ("exception", "ValueError: If should_load_recipe_state is True"),
    "left_behind": ("checkpoint", "epoch_0 is missing; epoch_1 is missing"),
}  # fmt: skip


class Run(NamedTuple):
    name: str
    job: JobSpec
    attempt: Attempt

    def verdict(self) -> Verdict:
        return answered(TOOL.verify(self.job, self.attempt))

    def losses(self) -> list[Point]:
        reads = answered(TOOL.curves(self.job, self.attempt, {}))
        return [point for read in reads for point in read.points if point.name == metrics.LOSS]


@pytest.fixture
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """As it lay there when it had ended."""
    recorded = recording.load(request.param)
    job = recording.rebuild(recorded, tmp_path, request.param)
    return Run(request.param, job, recorded.attempt(tmp_path / request.param))


def of(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("run", names, indirect=True)


def test_every_kind_is_recorded_and_judged() -> None:
    recorded = {path.stem for path in recording.HERE.glob("*.json")}
    assert recorded == {case.name for case in CASES} == GOOD.keys() | FAILED.keys()


@of(*GOOD)
def test_what_is_good_is_verified(run: Run) -> None:
    verdict = run.verdict()
    assert (verdict.finding, verdict.detail) == (Finding.GOOD, GOOD[run.name])
    warnings = [warning for warning in verdict.warnings if not warning.startswith(NO_STEPS)]
    assert warnings == ([WARNED[run.name]] if run.name in WARNED else [])
    assert (len(verdict.warnings) > len(warnings)) == (run.name == "unseen")


@of(*FAILED)
def test_what_failed_is_told_by_its_kind_and_its_line(run: Run) -> None:
    verdict = run.verdict()
    assert verdict.failure is not None
    kind, message = FAILED[run.name]
    assert verdict.failure.kind == kind
    assert verdict.failure.message.startswith(message)


@of(*GOOD)
def test_of_no_attempt_they_prove_themselves_but_for_one_that_left_no_word(run: Run) -> None:
    verdict = answered(TOOL.verify(run.job, None))
    if run.name == "unseen":
        assert verdict.finding is Finding.UNCLEAR
        assert NO_STEPS in verdict.detail
    else:
        steps = "2 epochs, 10 steps" if run.name == "accumulating" else GOOD[run.name]
        assert (verdict.finding, verdict.detail) == (Finding.GOOD, steps), "a log of every fifth step"


@of(*sorted(GOOD.keys() - {"unseen"}))
def test_the_losses_of_all_logs_are_those_of_its_last_step_at_the_end(run: Run) -> None:
    losses = run.losses()
    last = max(point.step for point in losses)
    assert last == int(GOOD[run.name].split()[2])
    (loss,) = {str(point.value) for point in losses if point.step == last}
    assert math.isnan(float(loss)) == (run.name == "not_finite")


@of("merged", "distributed", "distributed_full", "redirected", "redirected_bars", "stdout")
def test_every_step_has_its_loss(run: Run) -> None:
    assert {point.step for point in run.losses()} == set(range(1, 13))


@of("resumed", "resumed_adapter")
def test_of_a_resumed_training_the_steps_count_on(run: Run) -> None:
    """The bars of the one before it stand in the same output; its own log begins where it went on."""
    steps = [point.step for point in run.losses()]
    assert steps.count(19) >= 2
    assert max(steps) == 24


@of(*sorted(GOOD.keys() - {"unseen"}))
def test_at_its_end_it_is_seen_to_be_at_its_end(run: Run) -> None:
    progress = answered(TOOL.progress(run.job, run.attempt))
    assert progress is not None
    assert progress.done == progress.total == int(GOOD[run.name].split()[2])
    assert progress.finishing
