"""What was chosen differently for the runs of an experiment: the columns of its tables. Pure."""

from collections.abc import Mapping, Sequence

from runexp.reporting.figures import NONE
from runexp.wire.jobs import RunSpec

#: Columns that a table has room for.
_MOST = 6
#: Of a cell.
_MOST_CHARACTERS = 40
MODEL = "model"

Value = str | int | float | bool | None


def names(runs: Sequence[RunSpec]) -> tuple[str, ...]:
    """The parameters that differ between the runs that were trained; with a single one, all that it has.

    A base model has none of them, so that it makes none differ. The model is one where the runs have several.
    """
    trained = [run for run in runs if run.type != "control"] or list(runs)
    known = dict.fromkeys(name for run in trained for name in run.parameters)
    differ = [name for name in known if len(trained) == 1 or _differs(name, trained)]
    models = {run.model for run in runs if run.model is not None}
    return (*([MODEL] if len(models) > 1 else ()), *differ)[:_MOST]


def _differs(name: str, runs: Sequence[RunSpec]) -> bool:
    return len({repr(run.parameters.get(name)) for run in runs}) > 1


def cells(run: RunSpec | None, columns: Sequence[str]) -> tuple[str, ...]:
    """A run's values, as they are shown."""
    return tuple(_cell(run, name) for name in columns)


def _cell(run: RunSpec | None, name: str) -> str:
    if run is None:
        return NONE
    if name == MODEL and MODEL not in run.parameters:
        return run.model or NONE
    return shown(run.parameters.get(name))


def shown(value: Value) -> str:
    """`4`, `0.0003`, `true`; a dash for nothing."""
    if value is None or value == "":
        return NONE
    if isinstance(value, bool):
        return str(value).lower()
    words = f"{value:g}" if isinstance(value, float) else str(value)
    return words if len(words) <= _MOST_CHARACTERS else f"{words[: _MOST_CHARACTERS - 1]}…"


def values(runs: Sequence[RunSpec], name: str, most: int = 8) -> str:
    """All that it was, in the order of the runs: `4, 8, 16`."""
    found = dict.fromkeys(_cell(run, name) for run in runs if run.type != "control")
    words = [word for word in found if word != NONE]
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def by_name(runs: Sequence[RunSpec]) -> Mapping[str, RunSpec]:
    return {run.name: run for run in runs}
