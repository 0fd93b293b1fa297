"""runexp set: what was chosen for an experiment, changed while it runs."""

from typing import Any

import click
import msgspec

from runexp import connection, exits, output
from runexp.commands import arguments
from runexp.wire.settings import Set, SetReply, Settings

#: Of what has no value of its own.
AS_THE_CLUSTER = "(as the cluster has it)"


@click.command("set")
@click.argument("experiment", metavar="EXP", shell_complete=arguments.complete_experiment)
@click.argument("settings", metavar="[NAME=VALUE...]", nargs=-1)
@arguments.as_json
def set_(experiment: str, settings: tuple[str, ...], as_json: bool) -> None:
    """Change what was chosen for an experiment, at once and for good; without NAME=VALUE, show it.

    on_failure (continue, stop), barrier (all, run), on_stall (warn, cancel), oom_retries, node_retries; and max_submit,
    stagger_seconds, stagger_evaluations_seconds, where NAME= alone puts back the cluster's.

    \b
    Example:  runexp set exp7
              runexp set exp7 max_submit=5 stagger_seconds=10 on_failure=stop
    """
    with output.errors(as_json):
        asked = Set(experiment=arguments.chosen(experiment), settings=_read(settings, as_json))
        reply = connection.ask(asked, SetReply)
        if as_json:
            output.json(reply)
            return
        for name in Settings.__struct_fields__:
            value = getattr(reply.policy, name)
            output.say(f"{name} = {value if value is not None else AS_THE_CLUSTER}")


def _read(settings: tuple[str, ...], as_json: bool) -> Settings:
    values: dict[str, Any] = {}
    for each in settings:
        name, equals, value = each.partition("=")
        if not equals and name in Settings.__struct_fields__:
            output.fail(f"{name} has no value", "", f"{name}=VALUE: {_may_be(name)}", exits.USAGE, as_json)
        if name not in Settings.__struct_fields__:
            known = ", ".join(Settings.__struct_fields__)
            output.fail(f"{each} is no setting", "", f"NAME=VALUE, with one of {known}", exits.USAGE, as_json)
        values[name] = value or None
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        name = str(error).rpartition("$.")[2].rstrip("`")
        what = f"{name} can't be {values[name] or 'left empty'}"
        output.fail(what, "", f"it may be {_may_be(name)}", exits.USAGE, as_json)


def _may_be(name: str) -> str:
    """In words, what its type says."""
    schema = msgspec.json.schema(Settings)["$defs"]
    kind = schema["Settings"]["properties"][name]
    kind = next((each for each in kind.get("anyOf", ()) if each.get("type") != "null"), kind)
    kind = schema[kind["$ref"].rpartition("/")[2]] if "$ref" in kind else kind
    if "enum" in kind:
        return " or ".join(kind["enum"])
    words = "a whole number" if kind["type"] == "integer" else "a number"
    return f"{words} from {kind['minimum']} to {kind['maximum']}"
