"""Reports as the daemon makes them, of any size, and the curves that belong to them. The same every time."""

import math
from collections.abc import Iterator

from msgspec.structs import replace

from fakes.daemon import job
from runexp.wire import metrics
from runexp.wire.jobs import Failure, RunSpec, Score, Usage
from runexp.wire.metrics import Series
from runexp.wire.states import Outcome, Phase, PhaseState, Stage
from runexp.wire.views import AttemptView, Comparison, JobView, PhaseReport, Report

EPOCHS = (0, 1)
SAMPLES = 200
BEGUN = 1_795_000_000.0


def attempt(number: int, begun: float, seconds: float, state: str = "COMPLETED") -> AttemptView:
    return AttemptView(
        number=number,
        token=f"t{number}",
        slurm_job_id=str(4_000_000 + number),
        state=state,
        exit_code="0:0",
        submitted_at=begun - 60,
        started_at=begun,
        ended_at=begun + seconds,
        usage=Usage(gpus=1, cpus=8, nodes=f"gpu{number % 7:02}"),
    )


def sweep(runs: int, epochs: tuple[int, ...] = EPOCHS) -> Report:
    """A base model, and so many trainings over ranks and learning rates: each tenth fails, each seventh was mended."""
    specs = [RunSpec("base", "control", "Llama-3.2-1B")]
    specs += [_spec(number) for number in range(runs)]
    trained = [_trained(number) for number in range(runs)]
    evaluated = [_evaluated("base", None, 0.31)]
    for number, each in enumerate(trained):
        for epoch in epochs:
            if each.stage is Stage.FAILED:
                evaluated.append(_skipped(each.run, epoch))
            else:
                evaluated.append(_evaluated(each.run, epoch, _accuracy(number, epoch)))
    phases = [
        _phase(Phase.OPTIMIZATION, "torchtune", trained),
        _phase(Phase.EVALUATION, "inspect-ai", evaluated),
    ]
    is_whole = all(phase.succeeded == phase.total for phase in phases)
    return Report(
        id="sweep-1a2b",
        name="capitalization-sweep",
        dir="/scratch/gpfs/me/capitalization-sweep",
        cluster="della",
        outcome=Outcome.SUCCEEDED if is_whole else Outcome.PARTIAL,
        optimization=phases[0],
        evaluation=phases[1],
        total_seconds=phases[0].duration_seconds,
        log="/scratch/gpfs/me/capitalization-sweep/run-experiment.log",
        next_steps=(
            "View the evaluation logs: inspect view --log-dir /scratch/gpfs/me/capitalization-sweep",
            "Analyze the results as /scratch/gpfs/me/capitalization-sweep/experiment_summary.yaml describes them",
        ),
        typed="capitalization-sweep",
        question="Does a higher LoRA rank help a small model to capitalize words that it has never seen?",
        runs=tuple(specs),
        asked_at=BEGUN,
        ended_at=BEGUN + 7_200,
        comparisons=tuple(_compared(each) for each in evaluated if each.scores),
        warnings=("no script for an evaluation: rank4_lr1e-5/eval/small/cell.slurm",),
    )


def _name(number: int) -> str:
    return f"rank{2 ** (2 + number % 5)}_lr{1 + number // 5}e-5"


def _spec(number: int) -> RunSpec:
    parameters: dict[str, str | int | float | bool | None] = {
        "lora_rank": 2 ** (2 + number % 5),
        "lr": (1 + number // 5) * 1e-5,
        "epochs": 2,
    }
    return RunSpec(_name(number), "fine-tuned", "Llama-3.2-1B", parameters)


def _fails(number: int) -> bool:
    return number % 10 == 7


def _trained(number: int) -> JobView:
    begun, seconds = BEGUN + 90 * number, 1_200.0 + 37 * (number % 11)
    if _fails(number):
        said = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.25 GiB"
        return job(
            _name(number),
            stage=Stage.FAILED,
            state="FAILED",
            detail=said,
            failure=Failure(
                "cuda_out_of_memory",
                said,
                ("  0%|          | 0/400 [00:00<?, ?it/s]", f"torch.OutOfMemoryError: {said}"),
            ),
            attempts=(attempt(number, begun, 60.0, "FAILED"),),
            started_at=begun,
            ended_at=begun + 60,
        )
    return job(
        _name(number),
        stage=Stage.VERIFIED,
        state="VERIFIED",
        detail=f"2 epochs, {400} steps",
        artifacts=tuple(
            f"/scratch/gpfs/me/capitalization-sweep/{_name(number)}/epoch_{epoch}" for epoch in EPOCHS
        ),
        mended=(
            "batch_size 16 -> 8, gradient_accumulation_steps 1 -> 2",
            "batch_size 8 -> 4, gradient_accumulation_steps 2 -> 4",
        )
        if number % 7 == 3
        else (),
        attempts=(attempt(number, begun, seconds),),
        started_at=begun,
        ended_at=begun + seconds,
    )


def _accuracy(number: int, epoch: int) -> float:
    return round(0.95 - 0.4 * math.exp(-(number % 5) / 2) - 0.15 * (epoch == 0) - 0.0002 * (number // 5), 3)


def _evaluated(run: str, epoch: int | None, value: float) -> JobView:
    error = math.sqrt(value * (1 - value) / SAMPLES)
    id = f"{run}/capitalization" + ("" if epoch is None else f"/epoch{epoch}")
    return job(
        id,
        task="capitalization",
        epoch=epoch,
        stage=Stage.VERIFIED,
        state="VERIFIED",
        detail=f"{SAMPLES} of {SAMPLES} samples",
        artifacts=(f"/scratch/gpfs/me/capitalization-sweep/{id}/logs/x.eval",),
        scores=(Score("match", "accuracy", value, SAMPLES), Score("match", "stderr", error, SAMPLES)),
        attempts=(attempt(1, BEGUN + 5_000, 100.0),),
        started_at=BEGUN + 5_000,
        ended_at=BEGUN + 5_100,
    )


def _skipped(run: str, epoch: int) -> JobView:
    id, detail = f"{run}/capitalization/epoch{epoch}", "its run was not trained"
    return job(id, task="capitalization", epoch=epoch, stage=Stage.SKIPPED, state="SKIPPED", detail=detail)


def _compared(each: JobView) -> Comparison:
    value, error = each.scores[0].value, each.scores[1].value
    alone = Comparison(job=each.id, score="match", samples=SAMPLES, mean=value, stderr=error)
    if each.run == "base":
        return alone
    less = value - 0.31
    beside = {"base": "base/capitalization", "common": SAMPLES}
    return replace(alone, **beside, difference=less, low=less - 0.08, high=less + 0.08)


def _phase(phase: Phase, tool: str, jobs: list[JobView]) -> PhaseReport:
    return PhaseReport(
        phase=phase,
        tool=tool,
        state=PhaseState.CLOSED,
        succeeded=sum(job.stage is Stage.VERIFIED for job in jobs),
        total=len(jobs),
        duration_seconds=7_000.0,
        jobs=tuple(jobs),
        log=f"/scratch/gpfs/me/capitalization-sweep/run-{tool}.log",
    )


def curves(report: Report, points: int = 300) -> tuple[Series, ...]:
    """Of every run that was trained: a loss that falls, a rate that warms up and decays, tokens a second."""
    done = [each for each in report.optimization.jobs if each.stage is Stage.VERIFIED]
    return tuple(series for number, each in enumerate(done) for series in _series(number, each, points))


def _series(number: int, each: JobView, points: int) -> Iterator[Series]:
    steps = tuple(1 + at * 400 // points for at in range(points))
    noise = [math.sin(step * 12.9898 + number) * 0.06 for step in steps]
    losses = [0.2 + 0.02 * number % 0.3 + 2.3 * math.exp(-step / (60 + 5 * (number % 9))) for step in steps]
    rates = [1e-4 * min(step / 40, math.cos(step / 400 * 1.5)) for step in steps]
    tokens = [3000.0 + 100 * (number % 5) + 1500 * wave for wave in noise]
    for name, values in (
        (metrics.LOSS, [loss + wave for loss, wave in zip(losses, noise, strict=True)]),
        (metrics.LEARNING_RATE, rates),
        (metrics.TOKENS_PER_SECOND, tokens),
    ):
        yield Series(job=each.id, name=name, steps=steps, values=tuple(values), began_at=BEGUN)
