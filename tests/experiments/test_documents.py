"""YAML from anybody: taken, or refused in one line that names the place. Nothing else is ever raised, and nothing grows."""

import datetime
import gc
from enum import StrEnum

import msgspec
import pytest

from runexpd.experiments import amend, documents, limits, summary
from runexpd.experiments.problems import BadExperiment

REFUSED = {
    "an alias bomb": (
        "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)),
        "the document is too large",
        "f:18:22",
    ),
    "a wide alias bomb": (
        f"a: &a [{'x,' * 10_000}]\nb: [{'*a,' * 10_000}]",
        "the document is too large",
        "f:2:302",
    ),
    "a bomb of merge keys": (
        "m0: &m0 {x: 1}\n" + "".join(f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}]}}\n" for n in range(1, 40)),
        "the document is too large",
        "f:",
    ),
    "many merge keys": (
        f"a: &a {{x: 1}}\nb: {{{'<<: *a, ' * 50_000}}}",
        "more than 16 merge keys",
        "f:2:133",
    ),
    "a merge of itself": ("a: &a {<<: *a}", "*a stands for what it is part of", "f:1:12"),
    "a merge of a number": ("a: {<<: 3}", "<< of what is no mapping", "f:1:9"),
    "depth in brackets": ("[" * 200_000, "nesting", "f:1:1001"),
    "depth within the parser's": ("{a: " * 500 + "}" * 500, "nested more than 50 deep", "f:1:"),
    "depth in dashes": ("- " * 100_000, "nesting", "f:1:"),
    "depth by aliases": (
        "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 2000)),
        "nested more than 50 deep",
        "f:50:",
    ),
    "a megabyte in a scalar": ("a: " + "x" * 1_000_000, "a value of 1000000 characters", "f:1:4"),
    "a megabyte in a block": ("a: |\n" + "  xxxxxxxx\n" * 100_000, "a value of 900000 characters", "f:1:4"),
    "a key too long": ("? " + "k" * 100_000 + "\n: 1", "a value of 100000 characters", "f:1:3"),
    "too many bytes": ("#" * (limits.FILE_BYTES + 1), "larger than 4 MB", "f"),
    "half a surrogate pair, spelled": ('a: "\\ud800"', "invalid Unicode", "f:1:"),
    "half a surrogate pair, as it is": ("a: \ud800", "half a surrogate pair", "f"),
    "a NUL": ("a: \0", "#x0000", "f:1:4"),
    "an escape": ("a: \x1b[31m", "#x001b", "f:1:4"),
    "a tab for an indent": ("a:\n\tb: 1", "cannot start any token", "f:2:1"),
    "a tag of Python's": (
        "a: !!python/object:os.system {}",
        "python/object:os.system is not known here",
        "f:1:4",
    ),
    "a call": ("!!python/object/apply:os.system ['x']", "is not known here", "f:1:1"),
    "a tag by another name": (
        "%TAG ! tag:yaml.org,2002:python/\n---\n!name:os 1",
        "is not known here",
        "f:3:1",
    ),
    "a tag of one's own": ("a: !mine 1", "the tag !mine is not known here", "f:1:4"),
    "a tag that doesn't fit": ("a: !!int many", "'many' is no int", "f:1:4"),
    "a tag of another kind": ("a: !!seq {}", "is not known here", "f:1:4"),
    "a tag of no sense": ("a: !!merge <<", "is not known here", "f:1:4"),
    "a circle": ("&a [*a]", "*a stands for what it is part of", "f:1:5"),
    "a circle as a key": ("&a {*a : 1}", "*a stands for what it is part of", "f:1:5"),
    "an alias for nothing": ("a: *b", "*b stands for nothing", "f:1:4"),
    "5,000 digits": ("a: " + "9" * 5000, "a number of 5000 characters", "f:1:4"),
    "19 digits": ("a: 1000000000000000000", "more than 18 digits", "f:1:4"),
    "hexadecimal digits": ("a: 0x" + "f" * 20, "more than 18 digits", "f:1:4"),
    "digits to the base of 60": ("a: 190" + ":59" * 15, "more than 18 digits", "f:1:4"),
    "no digits": ("a: 0x_", "invalid literal", "f:1:4"),
    "no date": ("a: 2025-99-99", "month must be in 1..12", "f:1:4"),
    "no time zone": ("a: 2001-12-14t21:59:43.10-99:00", "offset", "f:1:4"),
    "no base64": ("a: !!binary abc", "base64", "f:1:4"),
    "a key that is a list": ("? [1]\n: 2", "unhashable key", "f:1:3"),
    "a key that is a mapping": ("{{a: 1}: 2}", "unhashable key", "f:1:2"),
    "a key twice": ("a: 1\na: 2", "a is there twice", "f:2:1"),
    "a key twice in a line": ("x: {a: 1, 'a': 2}", "a is there twice", "f:1:11"),
    "two documents": ("a: 1\n---\nb: 2", "a second document", "f:2:1"),
    "another version": ("%YAML 9.9\n---\na: 1", "incompatible", "f:1:1"),
    "an end too soon": ("a: {b: 1", "not YAML", "f:1:9"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_taken_is_refused_in_a_line_with_its_place(name: str) -> None:
    text, what, where = REFUSED[name]
    with pytest.raises(BadExperiment) as raised:
        documents.plain(text, "f")
    bad = raised.value
    assert what in bad.what
    assert bad.where.startswith(where)
    assert (bad.what + bad.where + bad.hint).isprintable()
    assert len(bad.what) < 500


@pytest.mark.parametrize("name", REFUSED)
def test_who_reads_documents_refuses_the_same_in_his_own_way(name: str) -> None:
    text, _, _ = REFUSED[name]
    with pytest.raises(BadExperiment):
        summary.read(text, "f", "/exp")
    with pytest.raises(amend.CantAmend) as raised:
        amend.set_values(text, {"batch_size": 8})
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing", None),
        ("---", None),
        ("\ufeffa: 1", {"a": 1}),
        ("a: 999999999999999999", {"a": 999999999999999999}),
        ("a: 2025-01-01", {"a": datetime.date(2025, 1, 1)}),
        ("a: !!set {x}", {"a": {"x"}}),
        ("a: !!binary aGVsbG8=", {"a": b"hello"}),
        ("a: !!float 1", {"a": 1.0}),
        ('a: !!str 1\nb: ! 2\nc: "3"', {"a": "1", "b": "2", "c": "3"}),
        ("~: 1\n2: 3", {None: 1, 2: 3}),
        ("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}", {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}}),
        ("a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b}", {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 2}}),
        ("[&a 1, &a 2, *a]", [1, 2, 2]),
        ("[" * 50 + "]" * 50, eval("[" * 50 + "]" * 50)),
        ("a: 1\x85b: 2", {"a": 1, "b": 2}),
    ],
)
def test_what_is_odd_but_yaml_is_taken(text: str, value: object) -> None:
    assert documents.plain(text, "f") == value


class Known(msgspec.Struct):
    name: str


class Shared(msgspec.Struct):
    name: str
    share: float


class Listed(msgspec.Struct):
    tasks: list[str]


def test_what_else_is_in_a_document_is_of_no_concern() -> None:
    text = "name: a\nother: [2025-01-01, !!set {x}, !!binary aGk=, ~, .nan, {1: 2}, !!omap [x: 1]]"
    assert documents.load(text, "f", Known, "see f") == Known("a")


@pytest.mark.parametrize("key", ["~", "1", "2025-01-01", "!!binary aGk="])
def test_a_key_that_is_no_text_is_said(key: str) -> None:
    with pytest.raises(BadExperiment, match="a key is no text") as raised:
        documents.load(f"name: a\n{key}: 1", "f", Known, "see f")
    assert raised.value.where == "f:1:1"


def test_a_date_where_a_name_should_be_is_to_be_quoted() -> None:
    with pytest.raises(BadExperiment, match="expected a text, found a date") as raised:
        documents.load("name: 2025-01-01", "f", Known, "see f")
    assert raised.value.hint.endswith('quote it: "2025-01-01"')


def test_a_text_where_a_number_should_be_is_quoted_already() -> None:
    with pytest.raises(BadExperiment, match="expected a number, found a text") as raised:
        documents.load('{name: a, share: "5"}', "f", Shared, "see f")
    assert raised.value.hint == "see f"


@pytest.mark.parametrize(
    ("text", "kind", "hint"),
    [
        ("{}", Shared, "needed here: name, share"),
        ("{}", Known, "see f"),
        ("tasks: words", Listed, "a list is written [words]"),
        ("tasks: {a: b}", Listed, "see f"),
    ],
)
def test_what_is_missing_and_what_should_be_a_list_say_how(text: str, kind: type, hint: str) -> None:
    with pytest.raises(BadExperiment) as raised:
        documents.load(text, "f", kind, "see f")
    assert raised.value.hint == hint


def test_ten_thousand_runs_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "NODES", limits.NODES // 20)
    runs = "".join(
        f"  - {{name: r{n}, type: fine-tuned, model: tiny, parameters: {{lora_rank: 4, lr: 0.1}}}}\n"
        for n in range(10_000 // 20)
    )
    matrix = "".join(f"    - {{run: r{n}, tasks: [a, b], epochs: [0, 1]}}\n" for n in range(10_000 // 20))
    text = f"experiment: {{name: many}}\nruns:\n{runs}evaluation:\n  matrix:\n{matrix}"
    assert len(summary.read(text, "s", "/exp").runs) == 10_000 // 20
    with pytest.raises(BadExperiment, match="too large"):
        documents.plain(f"[{'a,' * limits.NODES}]", "f")


def test_the_collector_of_garbage_is_left_as_it_was() -> None:
    documents.plain("a: 1", "f")
    assert gc.isenabled()
    gc.disable()
    try:
        documents.plain("a: 1", "f")
        assert not gc.isenabled()
    finally:
        gc.enable()


class Kind(StrEnum):
    FIRST = "first"
    SECOND = "second"


class Choosing(msgspec.Struct):
    kind: Kind = Kind.FIRST
    kinds: tuple[Kind, ...] = ()


@pytest.mark.parametrize("text", ["kind: third", "kinds: [first, third]"])
def test_a_word_that_is_none_is_told_with_those_that_are(text: str) -> None:
    with pytest.raises(BadExperiment, match="third is none of first, second") as raised:
        documents.load(text, "f", Choosing, "see f")
    assert raised.value.hint == "see f"


@pytest.mark.parametrize("character", ["\x9b", "\0", "\x1b", "\ufffe"])
def test_a_control_character_is_told_with_its_place(character: str) -> None:
    with pytest.raises(BadExperiment, match="a control character") as raised:
        documents.plain(f"name: é\nother: a{character}b", "f")
    assert raised.value.where == "f:2:9"
    assert raised.value.hint
