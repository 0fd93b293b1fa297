"""A page for each command, of what click knows of it: they become the manual pages, too."""

import inspect
import textwrap
from collections.abc import Iterator

import click
import msgspec

from reference.layout import Entry
from runexp import cli
from runexpd import __main__

PROGRAMS: dict[str, click.Group] = {"runexp": cli.main, "runexpd": __main__.main}
_EXAMPLE = "Example:"


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command as it is described."""

    #: With the programs and commands that it is one of: `runexp daemon start`.
    words: tuple[str, ...]
    usage: str
    #: What is said of it, by paragraph.
    text: tuple[str, ...]
    example: str
    options: tuple[Entry, ...]
    #: Commands of its own.
    commands: tuple[str, ...]
    epilog: str

    @property
    def page(self) -> str:
        """Of the site and of the manual."""
        return "-".join(self.words)

    @property
    def summary(self) -> str:
        """The first sentence, without its full stop; empty where nothing is said."""
        return self.text[0].partition(". ")[0].removesuffix(".") if self.text else ""


def all() -> Iterator[Command]:
    """Every command, each program first."""
    for name, program in PROGRAMS.items():
        yield from _tree(program, click.Context(program, info_name=name, **program.context_settings), (name,))


def _tree(command: click.Command, context: click.Context, words: tuple[str, ...]) -> Iterator[Command]:
    below = command.commands if isinstance(command, click.Group) else {}
    yield _read(command, context, words, tuple(below))
    for name, each in below.items():
        own = click.Context(each, info_name=name, parent=context)
        yield from _tree(each, own, (*words, name))


def _read(
    command: click.Command, context: click.Context, words: tuple[str, ...], below: tuple[str, ...]
) -> Command:
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return Command(
        words=words,
        usage=" ".join([*words, *command.collect_usage_pieces(context)]),
        text=tuple(" ".join(each.split()) for each in paragraphs if each and _EXAMPLE not in each),
        example=next((_example(each) for each in paragraphs if _EXAMPLE in each), ""),
        options=tuple(_options(command, context)),
        commands=below,
        epilog=command.epilog or "",
    )


def _example(paragraph: str) -> str:
    """click's mark for `leave it as it is`, and the word before the first line, are none of it."""
    lines = paragraph.replace("\b\n", "").replace(_EXAMPLE, " " * len(_EXAMPLE), 1)
    return textwrap.dedent(lines)


def _options(command: click.Command, context: click.Context) -> Iterator[Entry]:
    for option in command.get_params(context):
        if isinstance(option, click.Option) and (record := option.get_help_record(context)):
            yield Entry(name=record[0], text=record[1] if option.help else "")


def contents() -> str:
    """The page that lists them all."""
    lines = [f"[{' '.join(each.words)}]({each.page}.md)\n: {each.summary}." for each in all()]
    pages = "\n".join(each.page for each in all())
    tree = f"```{{toctree}}\n:hidden:\n\n{pages}\n```"
    return "\n\n".join(["# Commands", "`make man` makes a manual page of each.", *lines, tree, ""])


def manual() -> list[tuple[str, str, str, str, int]]:
    """The manual's pages, as Sphinx wants them listed: page, name, summary, authors, section."""
    return [(f"docs/reference/{each.page}", each.page, each.summary, "", 1) for each in all()]


def markdown(command: Command) -> str:
    """As a manual page has it."""
    parts = [
        f"# {' '.join(command.words)}", "## Synopsis", f"`{command.usage}`",
        "## Description", *command.text,
        "## Options", *(f"`{each.name}`\n: {each.text}" for each in command.options),
        *(["## Commands", *_below(command)] if command.commands else []),
        *(["## Example", f"```\n{command.example}\n```"] if command.example else []),
        *(["## Exit codes", command.epilog.removeprefix("Exit codes: ")] if command.epilog else []),
    ]  # fmt: skip
    return "\n\n".join([*parts, ""])


def _below(command: Command) -> Iterator[str]:
    known = {each.words: each for each in all()}
    for name in command.commands:
        each = known[(*command.words, name)]
        yield f"[{' '.join(each.words)}]({each.page}.md)\n: {each.summary}."
