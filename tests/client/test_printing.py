"""What is printed: nothing that a terminal obeys, nothing that can't be written, and JSON that can be read."""

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.daemon import seen
from runexp import output, text
from runexp.wire import events, requests
from runexp.wire.states import Phase

#: With lone surrogates, controls and all.
ANY = st.text(st.characters(codec=None))


@given(ANY)
def test_lines_keep_their_newlines_and_hold_nothing_else_that_is_obeyed(shown: str) -> None:
    clean = output.clean(shown)
    assert clean.replace("\n", "").replace("\t", "").isprintable()
    assert clean.count("\n") == shown.count("\n")
    clean.encode()


@given(ANY)
def test_a_cell_is_one_printable_line(shown: str) -> None:
    assert output.one_line(shown).isprintable()


@given(ANY)
def test_what_was_made_printable_stays_as_it_is(shown: str) -> None:
    assert text.printable(text.printable(shown)) == text.printable(shown)
    assert output.one_line(text.printable(shown)) == text.printable(shown)


@pytest.mark.parametrize(
    ("shown", "clean"),
    [
        ("a  table\n\tof rows\n", "a  table\n\tof rows\n"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b2J\u202e", "\\x9b2J\\u202e"),
        ("\udcff", "\\xff"),
        ("\ud800", "\\ud800"),
        ("one\x85two\u2028three\x1cfour\rfive\xa0six", "one two three four five six"),
        ("größer 日本 🙂", "größer 日本 🙂"),
    ],
)
def test_what_is_obeyed_is_spelled_out(shown: str, clean: str) -> None:
    assert output.clean(shown) == clean


def printed(document: Any, capsys: pytest.CaptureFixture[str]) -> str:
    output.json(document)
    line = capsys.readouterr().out
    assert line.endswith("\n")
    return line[:-1]


@pytest.mark.parametrize("name", ["plain", "\x1b[2J\x9b\u202e\x7f", "\U000e0001 🙂 ü", "\u2028"])
def test_json_says_what_it_was_and_a_terminal_obeys_none_of_it(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = printed({"name": name}, capsys)
    assert line.isprintable()
    assert json.loads(line) == {"name": name}


@pytest.mark.parametrize("name", ["\udcff", "a\ud800b"])
def test_json_never_fails_on_half_a_character(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = printed({"names": [name, {name: requests.Chunk(text=name)}]}, capsys)
    shown = text.printable(name)
    assert json.loads(line) == {"names": [shown, {shown: {"type": "Chunk", "text": shown}}]}


def test_nor_beside_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    envelope = seen(1, events.PhaseOpened(phase=Phase.OPTIMIZATION)).envelope
    line = printed({"said": "\ud800", "envelope": envelope}, capsys)
    assert json.loads(line)["envelope"]["event"] == {"type": "PhaseOpened", "phase": "optimization"}


def test_no_character_of_a_hostile_category_is_shown() -> None:
    hostile = [
        chr(n) for n in range(0x110000) if unicodedata.category(chr(n)) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    ]
    shown = output.clean("".join(hostile))
    assert not {c for c in shown if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}} - {"\n", "\t"}
