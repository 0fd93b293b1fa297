"""What decides what a training does: its script, its config as the command line has it, and the files that it names. Pure."""

from collections.abc import Mapping

import msgspec

from runexp.wire.jobs import JobSpec
from runexpd.experiments.problems import BadExperiment
from runexpd.tools import ingredients, questions, scripts, torchtune_config
from runexpd.tools.base import Ingredients, Question


def of(job: JobSpec) -> Question[Ingredients]:
    path = str(job.facts["config"])
    (script, config), versions = yield from questions.both(
        questions.ask([ingredients.whole(job.script), ingredients.whole(path)]),
        ingredients.versions(str(job.facts["environments"]).split("\n")),
    )
    values = _values(job, questions.text(script), path, questions.text(config))
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


def _values(job: JobSpec, script: str, path: str, config: str) -> dict[str, str]:
    """None where it is no config: then its text alone tells whether it changed."""
    try:
        return ingredients.values(
            torchtune_config.document(config, path, torchtune_config.invocation(script).overrides)
        )
    except BadExperiment:
        return {}


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
