"""Markdown shows names, tasks and messages as they are, and tables stand in line in a terminal."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from msgspec.structs import replace

from fakes.daemon import job, report
from runexp import comparing, styles
from runexp.report import table
from runexp.reporting import content, plain, side_by_side
from runexp.text import on_one_line
from runexp.ui import cells
from runexp.wire.jobs import Failure, RunSpec, Score
from runexp.wire.recipes import Recipe
from runexp.wire.states import Outcome, Phase, Stage
from runexp.wire.views import Report

#: CommonMark, with what GitHub adds.
READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
TELLING = "\\`*_~[]()<>!#+-=.:|&;\"' \n\t1aé日x"
SAYING = st.text(st.sampled_from(TELLING), max_size=14) | st.text(st.characters(codec="utf-8"), max_size=8)
NAMES = [
    "<b>a</b>", "a*b*c", "_a_ __b__", "a_b_c", "a|b", "a\\|b", "a\\", "`a`", "[x](y)", "![x](y)", "[x]: y", "[x] y", "# a",
    "#", "- a", "---", "- - -", "+ a", "1. a", "2) a", "> a", "=", "~~a~~", "~a", "&amp; &#42;", "<a@b.c>", "https://x.y/_z_",
    "    a", "***", "\\`a`", "日本語|e\u0301", "a\n\n# b", "\x1b[1m\x07", "a `b|c` d", "| - |", "<!-- a -->", "x ",
]  # fmt: skip


def shown(tokens: list[Token] | None) -> str:
    """The words; a break is a blank."""
    assert {token.type for token in tokens or ()} <= {"text", "softbreak", "text_special"}, tokens
    return "".join(token.content if token.type != "softbreak" else " " for token in tokens or ())


def as_they_are(words: str) -> str:
    """But for blanks around them, which no reader of Markdown shows."""
    return on_one_line(words).strip()


def every(form: str) -> Iterator[str]:
    """What each paragraph, heading, item and cell says; the figures that are bold as well."""
    for token in READER.parse(form):
        if token.type == "inline":
            yield shown([each for each in token.children or () if not each.type.startswith("strong")])
        elif token.type == "code_block":
            yield from token.content.splitlines()
        else:
            assert token.type not in ("html_block", "fence", "hr", "blockquote_open"), token


def examples(test: Callable[[str], None]) -> Callable[[str], None]:
    for name in NAMES:
        test = example(name)(test)
    return test


@examples
@given(SAYING)
def test_words_are_shown_as_they_are(words: str) -> None:
    for before, said in (("", ""), ("- ", ""), ("7. ", ""), ("Question: ", "Question: ")):
        found = list(every(before + styles.as_markdown(words)))
        assert "".join(found) == (said + as_they_are(words)).strip()
        assert len(found) <= 1


@examples
@given(SAYING)
def test_cells_are_shown_as_they_are(words: str) -> None:
    form = "\n".join(table([["a", "b"], [styles.as_cell(words), "c"]]))
    assert list(every(form)) == ["a", "b", as_they_are(words), "c"]


@given(st.lists(st.tuples(SAYING, SAYING), min_size=1, max_size=4))
def test_a_table_is_as_wide_in_each_line(rows: list[tuple[str, str]]) -> None:
    assert len({cells.width(line) for line in table([("run", "日本"), *rows])}) == 1


def test_in_a_terminal_a_name_can_be_copied() -> None:
    assert list(table([["run"], ["日本_a|b*"]])) == ["| run       |", "|-----------|", "| 日本_a|b* |"]


def of(name: str) -> Report:
    """One in which everything from outside is called so."""
    scored = [
        job(f"{name}/{run}", phase=Phase.EVALUATION, run=run, stage=Stage.VERIFIED, task=name, detail=name, artifacts=(name,),
            scores=(Score(name, name, 0.5),))
        for run in (name, "rank8")
    ]  # fmt: skip
    broken = Failure(name, name, said=(name, name))
    trained: dict[str, Any] = {"phase": Phase.OPTIMIZATION}
    failed = job(
        name, **trained, stage=Stage.FAILED, detail=name, failure=broken, warnings=(name,), changes=(name,)
    )
    return replace(
        report(Outcome.FAILED, *scored, failed, job(name, **trained, stage=Stage.IN_DOUBT, detail=name)),
        name=name,
        question=name,
        runs=(
            RunSpec(name, "fine-tuned", name, {name: name}),
            RunSpec("rank8", "fine-tuned", "m", {name: 1}),
        ),
        warnings=(name,),
        next_steps=(name,),
        not_compared=name,
        retired=(job(name, stage=Stage.VERIFIED, detail=name, retired=True),),
    )


def kinds(form: str) -> list[str]:
    """What a document is made of, without its words."""
    tokens = [token.type for token in READER.parse(form)]
    return [
        kind for before, kind in pairwise(["", *tokens]) if (before, kind) != ("code_block", "code_block")
    ]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_report_is_made_of_the_same_whatever_things_are_called(name: str) -> None:
    usual = plain.markdown(content.of(of("words")))
    form = plain.markdown(content.of(of(name)))
    assert kinds(form) == kinds(usual)
    assert "\n".join(every(form)).count(as_they_are(name)) >= "\n".join(every(usual)).count("words")


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_so_is_a_comparison(name: str) -> None:
    def form(name: str) -> str:
        recipes = [{name: Recipe(values={name: name})}, {name: Recipe(values={name: "other"})}]
        return side_by_side.markdown(comparing.compared([of(name), replace(of(name), id="e2")], recipes))

    assert kinds(form(name)) == kinds(form("words"))
    assert as_they_are(name) in list(every(form(name)))


def test_what_a_job_printed_last_stands_in_lines_of_its_own() -> None:
    said = ("  File <x>, in *y*", "    _z_()", "")
    failed = job("rank8", stage=Stage.FAILED, detail="x", failure=Failure("x", "x", said=said))
    form = plain.markdown(content.of(report(Outcome.FAILED, failed)))
    (code,) = [token for token in READER.parse(form) if token.type == "code_block"]
    assert code.content.splitlines() == ["  File <x>, in *y*", "    _z_()"]
