"""The pages of words: of states and stages, of failures, of exit codes."""

from enum import StrEnum
from types import ModuleType

from reference import comments
from reference.layout import Entry, Page, Section
from runexp import exits
from runexp.wire import states
from runexp.wire.failures import FailureKind
from runexp.wire.jobs import Finding, IfChanged
from runexp.wire.metrics import Concern
from runexpd import __main__

_STATES = """A job has a stage, by which the rules go, and a state, the word that is shown: Slurm's own
(<https://slurm.schedmd.com/squeue.html>, "JOB STATE CODES") once Slurm knows the job, and ours before and after. A word of Slurm's
that isn't listed here is shown as it is, and asked about again; it never ends a job."""
KINDS: dict[type[StrEnum], str] = {
    states.Stage: "Stage",
    states.Phase: "Phase",
    states.PhaseState: "State of a phase",
    states.Preparation: "The command before the evaluations",
    states.Outcome: "Outcome",
    Finding: "Verdict",
    Concern: "What can be wrong with a running job",
    IfChanged: "What becomes of changed results",
}
_FAILURES = """A failed job has a kind, by which the rules go, and a line for the reader. Tool modules of others may have kinds of
their own."""
_EXITS = "Of `runexp`, for scripts; and of `runexpd`, for systemd."


def of_states() -> Page:
    shown = Section(title="State", text="What is shown of a job.", entries=_constants(states))
    others = (comments.words(title, kind) for kind, title in KINDS.items())
    return Page(title="States and stages", text=_STATES, sections=(shown, *others))


def of_failures() -> Page:
    return Page(title="Failures", text=_FAILURES, sections=(comments.words("Kinds", FailureKind),))


def of_exits() -> Page:
    """By number."""
    own = Section(title="runexp", text="How it went.", entries=_constants(exits))
    daemon = Section(
        title="runexpd",
        text="0 after it was asked to stop, 1 for what may pass or is a fault of its own, and:",
        entries=_constants(__main__),
    )
    return Page(title="Exit codes", text=_EXITS, sections=(own, daemon))


def _constants(module: ModuleType) -> tuple[Entry, ...]:
    """The public names of a module that are words or numbers, each by its value."""
    said = comments.of(module)
    values = {name: getattr(module, name) for name in said if name.isupper() and not name.startswith("_")}
    return tuple(
        Entry(name=str(value), text=said[name])
        for name, value in values.items()
        if isinstance(value, str | int) and name != "HELP"
    )
