"""Whether a command that a text tells to type is one: read as it would be, and not run."""

from collections.abc import Iterator
from typing import Any

import click

from runexp import cli
from runexpd import __main__

PROGRAMS: dict[str, click.Group] = {"runexp": cli.main, "runexpd": __main__.main}


def wrong(words: list[str], whole: bool = True) -> str:
    """What is wrong with a call, the program's name first; empty when nothing is. `whole`: what must be said is said."""
    command: click.Command = PROGRAMS[words[0]]
    context = click.Context(command, info_name=words[0])
    rest = words[1:]
    try:
        while isinstance(command, click.Group):
            said, rest = _own_options(command, context, rest)
            if not rest:
                return _unsaid(command, said) if whole else ""
            found = command.get_command(context, rest[0])
            if found is None:
                return f"no command is called {rest[0]}"
            context = click.Context(found, info_name=rest[0], parent=context)
            command, rest = found, rest[1:]
        said, left, _ = command.make_parser(context).parse_args(rest)
        return "; ".join(_problems(command, context, said, left, whole))
    except click.UsageError as error:
        return error.format_message()


def _own_options(
    command: click.Group, context: click.Context, words: list[str]
) -> tuple[dict[str, Any], list[str]]:
    said, left, _ = command.make_parser(context).parse_args(list(words))
    return said, left


def _unsaid(command: click.Group, said: dict[str, Any]) -> str:
    may_stand_alone = command.invoke_without_command or bool(said)
    return "" if may_stand_alone else "which command of it?"


def _problems(
    command: click.Command, context: click.Context, said: dict[str, Any], left: list[str], whole: bool
) -> Iterator[str]:
    if left:
        yield f"too many words: {left}"
    for param in command.params:
        value = said.get(param.name or "")
        if whole and param.required and not (isinstance(value, str | tuple) and value):
            yield f"no {param.human_readable_name}"
        if isinstance(param.type, click.Choice) and isinstance(value, str) and not value.isupper():
            param.type.convert(value, param, context)
