"""experiment_summary.yaml: the design of an experiment. Unknown keys are kept and ignored; a wrong one is an error."""

from collections.abc import Callable
from posixpath import join, normpath
from typing import Any

import msgspec

from runexp.text import printable
from runexp.wire import names
from runexp.wire.jobs import RunSpec
from runexpd.experiments import documents, limits, parameters
from runexpd.experiments.problems import BadExperiment
from runexpd.experiments.scaffold import Cells

FILE = "experiment_summary.yaml"
RUN_TYPES = ("fine-tuned", "control", "eval-only")
_EPOCHS_HINT = "list the epochs whose checkpoints are to be evaluated, counted from 0"


_DESCRIBED = "`runexp schema` tells how it is written, and `runexp init DIR` writes one"


class _Experiment(msgspec.Struct):
    name: str
    dir: str | None = None
    directory: str | None = None
    #: Of any type: it is only shown.
    question: Any = None


class _Tools(msgspec.Struct):
    preparation: str | None = None
    evaluation: str | None = None


class _Output(msgspec.Struct):
    base_directory: str | None = None


class _Run(msgspec.Struct):
    name: str
    type: str
    model: str | None = None
    #: Of any type: they are only shown.
    parameters: Any = None


class _Entry(msgspec.Struct):
    run: str
    tasks: list[str]
    epochs: list[int] | None = None
    #: Of any type: it is only shown.
    vis_label: Any = None


class _Evaluation(msgspec.Struct):
    matrix: list[_Entry] = []


class _Document(msgspec.Struct):
    experiment: _Experiment
    runs: list[_Run]
    tools: _Tools | None = None
    output: _Output | None = None
    evaluation: _Evaluation | None = None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    runs: tuple[RunSpec, ...]
    matrix: tuple[Cells, ...]
    #: Tool names; None where the summary names none.
    preparation: str | None
    evaluation: str | None
    #: `output.base_directory`, absolute.
    output_base: str | None
    warnings: tuple[str, ...]
    #: What the experiment is to find out, on one line; empty where the summary doesn't say.
    question: str = ""


def read(text: str, where: str, dir: str) -> Summary:
    """The summary of the experiment in `dir`, an absolute path. Raises BadExperiment."""
    document = documents.load(text, where, _Document, _DESCRIBED)
    _check(document, text, where)
    tools = document.tools or _Tools()
    base = document.output.base_directory if document.output else None
    return Summary(
        name=document.experiment.name,
        runs=tuple(
            RunSpec(run.name, run.type, _model(run), parameters.shown(run.parameters))
            for run in document.runs
        ),
        matrix=tuple(_cells(entry) for entry in _matrix(document)),
        preparation=tools.preparation,
        evaluation=tools.evaluation,
        output_base=normpath(join(dir, base)) if base else None,
        warnings=tuple(_warnings(document, dir)),
        question=_question(document.experiment.question),
    )


def _question(said: Any) -> str:
    return printable(said[: limits.MESSAGE_CHARACTERS]) if isinstance(said, str) else ""


def _model(run: _Run) -> str | None:
    return None if run.model is None else limits.shown(printable(run.model))


def _matrix(document: _Document) -> list[_Entry]:
    return document.evaluation.matrix if document.evaluation else []


def _cells(entry: _Entry) -> Cells:
    epochs = tuple(entry.epochs) if entry.epochs is not None else None
    label = limits.shown(printable(entry.vis_label)) if isinstance(entry.vis_label, str) else ""
    return Cells(run=entry.run, tasks=tuple(entry.tasks), epochs=epochs, label=label)


def _check(document: _Document, text: str, where: str) -> None:
    def bad(what: str, path: str, hint: str) -> BadExperiment:
        return BadExperiment(what, f"{where}:{documents.line_of(text, path)}: {path}", hint)

    name = document.experiment.name
    if not names.is_experiments(name):
        what = f"{limits.shown(name)!r} is no name for an experiment"
        raise bad(what, "experiment.name", names.EXPERIMENT_RULE)
    if not document.runs:
        raise bad("there are no runs", "runs", _DESCRIBED)
    if len(document.runs) > limits.RUNS:
        raise bad(
            f"{len(document.runs)} runs: more than {limits.RUNS}", "runs", "make it several experiments"
        )
    base = document.output.base_directory if document.output else None
    if base and not base.isprintable():
        raise bad(f"{limits.shown(base)!r} is no path", "output.base_directory", "without control characters")
    _check_runs(document, bad)
    _check_matrix(document, bad)


def _check_runs(document: _Document, bad: Callable[..., BadExperiment]) -> None:
    seen: set[str] = set()
    for number, run in enumerate(document.runs):
        path = f"runs[{number}]"
        _check_name(run.name, "run", f"{path}.name", bad)
        if run.name in seen:
            raise bad(f"two runs are called {run.name}", f"{path}.name", "give each a name of its own")
        if run.type not in RUN_TYPES:
            hint = f"one of: {', '.join(RUN_TYPES)}"
            raise bad(f"unknown type {limits.shown(run.type)!r}", f"{path}.type", hint)
        seen.add(run.name)


def _check_matrix(document: _Document, bad: Callable[..., BadExperiment]) -> None:
    types = {run.name: run.type for run in document.runs}
    cells: set[tuple[str, str, int | None]] = set()
    for number, entry in enumerate(_matrix(document)):
        path = f"evaluation.matrix[{number}]"
        if entry.run not in types:
            hint = f"runs: {limits.listed(list(types))}"
            raise bad(f"no run is called {limits.shown(entry.run)!r}", f"{path}.run", hint)
        _check_epochs(entry, types[entry.run], path, bad)
        epochs: list[int] | list[None] = [None] if entry.epochs is None else entry.epochs
        if len(cells) + len(entry.tasks) * len(epochs) > limits.CELLS:
            raise bad(f"more than {limits.CELLS} evaluations", path, "make it several experiments")
        for place, task in enumerate(entry.tasks):
            _check_name(task, "task", f"{path}.tasks[{place}]", bad)
            for epoch in epochs:
                if (entry.run, task, epoch) in cells:
                    raise bad(f"{entry.run} is to be evaluated twice on {task}", path, "take one of them out")
                cells.add((entry.run, task, epoch))


def _check_epochs(entry: _Entry, type: str, path: str, bad: Callable[..., BadExperiment]) -> None:
    if entry.epochs is None and type == "fine-tuned":
        raise bad(f"{entry.run} is fine-tuned, and no epochs are named", path, _EPOCHS_HINT)
    if entry.epochs is None:
        return
    if not entry.epochs:
        hint = f"{_EPOCHS_HINT}; null is for a model that has none"
        raise bad("no epochs are named", f"{path}.epochs", hint)
    if len(entry.epochs) > limits.EPOCHS_OF_ENTRY:
        what = f"{len(entry.epochs)} epochs: more than {limits.EPOCHS_OF_ENTRY}"
        raise bad(what, f"{path}.epochs", "make it several entries, if it is meant")
    if min(entry.epochs) < 0:
        raise bad("epochs are counted from 0", f"{path}.epochs", "the first is 0, as in artifacts/epoch_0")
    if max(entry.epochs) >= limits.EPOCH:
        raise bad(f"{max(entry.epochs)} is no epoch", f"{path}.epochs", f"they end before {limits.EPOCH}")


def _check_name(name: str, kind: str, path: str, bad: Callable[..., BadExperiment]) -> None:
    if not names.PLAIN.fullmatch(name):
        raise bad(f"{limits.shown(name)!r} is no name for a {kind}", path, names.PLAIN_RULE)


def _warnings(document: _Document, dir: str) -> list[str]:
    found = []
    if document.tools is None:
        found.append("no tools section: torchtune and inspect-ai are assumed")
    experiment = document.experiment
    said = experiment.dir or experiment.directory
    if said and normpath(join(dir, said)) != dir:
        found.append(f"the summary says the experiment is in {limits.shown(said)}; it was found in {dir}")
    if not _matrix(document):
        found.append("evaluation.matrix is empty: nothing will be evaluated")
    idle = [entry.run for entry in _matrix(document) if not entry.tasks]
    if idle:
        found.append(
            f"evaluation.matrix names no tasks for {limits.listed(idle)}: nothing is evaluated there"
        )
    return [printable(line) for line in found]
