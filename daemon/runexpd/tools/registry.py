"""Finds tool modules by entry point; the built-in ones come by the same door as anyone's."""

from collections.abc import Mapping
from importlib import metadata

import msgspec

from runexp.wire.states import Phase
from runexpd.experiments.problems import BadExperiment
from runexpd.tools.base import Tool

GROUP = "runexpd.tools"
#: What a summary without a `tools` section means.
DEFAULTS = {Phase.OPTIMIZATION: "torchtune", Phase.EVALUATION: "inspect-ai"}
_KEYS = {Phase.OPTIMIZATION: "tools.preparation", Phase.EVALUATION: "tools.evaluation"}


class Chosen(msgspec.Struct, frozen=True):
    optimization: Tool
    evaluation: Tool


def load() -> dict[str, Tool]:
    """Every installed tool module, by name."""
    tools: dict[str, Tool] = {}
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda entry: entry.name):
        tools[entry.name] = entry.load()
    return tools


def choose(tools: Mapping[str, Tool], preparation: str | None, evaluation: str | None, where: str) -> Chosen:
    """The tools that a summary names; None: the default. Raises BadExperiment."""
    return Chosen(
        _one(tools, preparation, Phase.OPTIMIZATION, where), _one(tools, evaluation, Phase.EVALUATION, where)
    )


def _one(tools: Mapping[str, Tool], name: str | None, phase: Phase, where: str) -> Tool:
    tool = tools.get(name or DEFAULTS[phase])
    if tool is None or tool.phase is not phase:
        known = ", ".join(name for name, tool in tools.items() if tool.phase is phase) or "none"
        what = (
            f"unknown tool {name!r} for the {phase}" if tool is None else f"{name} is no tool for the {phase}"
        )
        raise BadExperiment(what, f"{where}: {_KEYS[phase]}", f"known: {known}")
    return tool
