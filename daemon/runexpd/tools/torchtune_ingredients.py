"""What decides what a training does: its script, its config as the command line has it, and the files that it names. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from runexp.wire.jobs import JobSpec, RunSpec
from runexpd.experiments.problems import BadExperiment
from runexpd.experiments.scaffold import Scaffold
from runexpd.tools import ingredients, questions, scripts, torchtune_config
from runexpd.tools.base import Ingredients, Question


def of(job: JobSpec) -> Question[Ingredients]:
    path = str(job.facts["config"])
    script, config = yield [ingredients.whole(job.script), ingredients.whole(path)]
    text = questions.text(script)
    versions = yield from ingredients.versions(scripts.environments(text))
    values = _values(text, path, questions.text(config))
    return Ingredients(
        sources=(
            *ingredients.source("script", job.script, script),
            *ingredients.source("config", path, config),
        ),
        values=values,
        files=ingredients.files(_candidates(values), scripts.runs_in(job)),
        versions=versions,
        missing=(*ingredients.missing(job.script, script), *ingredients.missing(path, config)),
    )


def results(job: JobSpec) -> Question[str]:
    """Where it would leave them now; empty where that can't be told."""
    path = str(job.facts["config"])
    script, config = yield [ingredients.whole(job.script), ingredients.whole(path)]
    overrides = torchtune_config.invocation(questions.text(script)).overrides
    try:
        training = torchtune_config.read(questions.text(config), path, scripts.runs_in(job), overrides)
    except BadExperiment:  # its own job will say so
        return ""
    return training.output_dir or ""


def _values(script: str, path: str, config: str) -> dict[str, str]:
    """None where it is no config: then its text alone tells whether it changed."""
    try:
        return ingredients.values(
            torchtune_config.document(config, path, torchtune_config.invocation(script).overrides)
        )
    except BadExperiment:
        return {}


def disagreements(scaffold: Scaffold, jobs: Sequence[JobSpec]) -> list[str]:
    """Where the summary says of runs what their configs don't."""
    runs, texts = {run.name: run for run in scaffold.runs}, scaffold.texts
    return [
        line
        for job in jobs
        if runs[job.run].parameters and (path := str(job.facts["config"])) in texts
        for line in disagreeing(runs[job.run], texts[path], path, texts[job.script])
    ]


def disagreeing(run: RunSpec, config: str, path: str, script: str) -> list[str]:
    """The same of one run: a result would be shown under the wrong name."""
    values = _values(script, path, config)
    return [
        f"{run.name}: the summary says {key} {_said(wanted)}, and {questions.path(path)} {found}"
        for key, wanted in run.parameters.items()
        if (found := _value(values, key)) is not None and not _is_same(wanted, found)
    ]


def _value(values: Mapping[str, str], key: str) -> str | None:
    """By its whole key, or by the end of the one that ends so."""
    ends = [said for name, said in values.items() if name == key or name.endswith(f".{key}")]
    return ends[0] if len(ends) == 1 else None


def _is_same(wanted: object, found: str) -> bool:
    said = _said(wanted)
    try:
        return said == found or float(said) == float(found)
    except ValueError:
        return said.lower() == found.lower()


def _said(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _candidates(values: Mapping[str, str]) -> list[str]:
    """What may be a file that is read; a checkpoint's files stand beside their directory."""
    base = values.get("checkpointer.checkpoint_dir", "")
    return [
        *values.values(),
        *(f"{base}/{name}" for name in _listed(values.get("checkpointer.checkpoint_files"))),
    ]


def _listed(said: str | None) -> list[str]:
    try:
        return msgspec.json.decode(said or "[]", type=list[str])
    except msgspec.DecodeError:
        return []
