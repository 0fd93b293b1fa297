"""The reference says something of everything: no command, setting, state, failure, event, exit code or address without a word."""

from enum import StrEnum
from typing import get_args

import msgspec
import pytest

from docs import calling, texts
from reference import commands, comments, layout, pages, shapes, words
from runexp.wire import events, states
from runexpd import settings


@pytest.mark.parametrize("name", pages.MADE)
def test_nothing_is_listed_without_a_description(name: str) -> None:
    assert layout.undescribed(pages.MADE[name]()) == []


@pytest.mark.parametrize("command", commands.all(), ids=lambda command: command.page)
def test_every_command_and_option_is_described_and_every_example_can_be_typed(
    command: commands.Command,
) -> None:
    assert command.summary
    assert [option.name for option in command.options if not option.text] == []
    assert command.example or command.commands
    calls = list(texts.commands(command.example))
    assert [(call, why) for call in calls if (why := calling.wrong(call))] == []


def test_the_reference_has_all_that_there_is() -> None:
    made = pages.all()
    assert {f"## {event.__name__}" for event in get_args(events.Event)} <= set(made["events"].splitlines())
    for part in shapes.structs(settings.Settings):
        assert all(f"`{field}`" in made["configuration"] for field in part.__struct_fields__)
    of_states = {
        kind for kind in vars(states).values() if isinstance(kind, type) and issubclass(kind, StrEnum)
    }
    assert of_states - {StrEnum} <= set(words.KINDS)
    assert all(f"`{word}`" in made["states"] for word in states.END_STATES)


class _Half(msgspec.Struct):
    #: How many there are,
    #: at most.
    said: int = 3
    unsaid: str | None = None


class _Word(StrEnum):
    """Words."""

    #: It is said.
    SAID = "said"
    UNSAID = "unsaid"


def test_what_is_not_described_is_noticed() -> None:
    fields = tuple(shapes.fields(_Half))
    assert [(field.text, field.cells) for field in fields] == [
        ("How many there are, at most.", ("whole number", "`3`")),
        ("", ("text or nothing", "`null`")),
    ]
    page = layout.Page(
        title="x",
        text="x",
        sections=(
            layout.Section(title="Half", text=comments.doc(_Half), entries=fields),
            comments.words("Words", _Word),
        ),
    )
    assert layout.undescribed(page) == ["Half", "Half: unsaid", "Words: unsaid"]


def test_a_cell_of_a_table_stays_one() -> None:
    entry = layout.Entry(name="a", text="this | that\nand more")
    page = layout.Page(title="x", text="x", sections=(layout.Section(title="y", text="y", entries=(entry,)),))
    assert "| `a` | this \\| that and more |" in layout.markdown(page)
