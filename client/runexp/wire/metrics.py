"""What a run did at each step, when things are likely to be over, and what is wrong with a job: as it is shown.

Kept beside the ledger, or made from it; never in it. Times that end in `_at` are seconds since 1970.
"""

from enum import StrEnum

import msgspec

# The names of the series that every tool uses where it has such a thing; a tool may have others.
LOSS = "loss"
LEARNING_RATE = "lr"
#: Of one GPU.
TOKENS_PER_SECOND = "tokens_per_second"
GRADIENT_NORM = "grad_norm"
VALIDATION_LOSS = "val_loss"
#: The most that PyTorch held of a GPU's memory, in GiB.
MEMORY = "memory_gib"
#: Per cent, and GiB of all processes, as nvidia-smi says.
GPU_UTILIZATION = "gpu_utilization"
GPU_MEMORY = "gpu_memory_gib"
#: Of an evaluation: samples done, and the first metric over those that are scored, whatever it is called.
SAMPLES = "samples"
METRIC = "metric"


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity of one attempt: three columns of the same length, in the order of the steps.

    Thinned where there are more points than were asked for: the first, the last and each bucket's lowest and highest stay.
    """

    job: str
    name: str
    #: The attempt's number, counted from 1.
    attempt: int = 1
    #: What is counted: training steps from 1, samples of an evaluation, or seconds (of what is measured by the clock).
    steps: tuple[int, ...] = ()
    #: Since the attempt began.
    seconds: tuple[float, ...] = ()
    #: None: not a number, or infinite. Nothing was left out there.
    values: tuple[float | None, ...] = ()
    #: When the attempt began.
    began_at: float | None = None
    #: What `metric` is called: `accuracy`; otherwise empty.
    label: str = ""


class Curves(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    """The series of an experiment: of its jobs in order, of each attempt in order."""

    experiment: str
    name: str
    series: tuple[Series, ...]
    #: Ask with `after` at this number for what has come since. 0: there is nothing yet.
    mark: int = 0


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """When something is likely to happen: 9 times of 10 between the first time and the last."""

    earliest_at: float
    likely_at: float
    latest_at: float
    #: What it rests on, for the reader: `its own rate`, `its siblings`, `the scheduler`.
    basis: str = ""


class Estimates(msgspec.Struct, frozen=True, kw_only=True):
    """Of an experiment. None: nothing is known, or it is over."""

    optimization: Estimate | None = None
    #: When the last training will have been judged: then the evaluations begin.
    barrier: Estimate | None = None
    evaluation: Estimate | None = None
    end: Estimate | None = None


class Concern(StrEnum):
    """What can be wrong with a job that is under way."""

    #: No new step for far longer than is usual for it.
    STALLED = "stalled"
    #: It has made no step at all, and says nothing, for far longer than its siblings took to their first.
    NO_STEP = "no_step"
    #: Its loss is not a number, or infinite.
    NOT_FINITE = "not_finite"
    #: Fewer tokens a second than its siblings.
    SLOW = "slow"
    #: Its GPUs have nothing to do.
    GPU_IDLE = "gpu_idle"
    #: It will not be over when its time is.
    TIME_LIMIT = "time_limit"
    #: It waits far longer than its siblings did.
    QUEUE = "queue"


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong with a job now. It is withdrawn when it is over."""

    concern: Concern
    since_at: float
    #: One line, with figures: `no new step for 6 min (usually one in 2 s)`.
    what: str
    #: What can be done about it; empty where nothing need be.
    hint: str = ""
