"""Text that is made to fit: measured in cells, not in characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runexp import text
from runexp.ui import cells

ANY = st.text(st.characters(codec="utf-8"), max_size=40).map(text.printable)
ROOM = st.integers(0, 50)


@given(ANY, ROOM)
def test_what_is_cut_takes_no_more_than_it_may(shown: str, room: int) -> None:
    assert cells.width(cells.cut_end(shown, room)) <= room
    assert cells.width(cells.cut_middle(shown, room)) <= room


@given(ANY, ROOM)
def test_what_is_padded_takes_exactly_so_much(shown: str, room: int) -> None:
    assert cells.width(cells.left(shown, room)) == room
    assert cells.width(cells.right(shown, room)) == room


@given(ANY, st.integers(2, 50))
def test_what_is_wrapped_loses_nothing(shown: str, room: int) -> None:
    pieces = list(cells.wrapped(shown, room))
    assert "".join(pieces) == shown
    assert all(cells.width(piece) <= room for piece in pieces)


@given(ANY, st.integers(2, 50))
def test_what_is_folded_loses_blanks_alone(shown: str, room: int) -> None:
    pieces = list(cells.folded(shown, room))
    assert "".join(pieces).replace(" ", "") == shown.replace(" ", "")
    assert all(cells.width(piece) <= room for piece in pieces)


@pytest.mark.parametrize(
    ("name", "room", "cut"),
    [
        ("rank8", 5, "rank8"),
        ("rank8_lr1e-4_seed0", 10, "rank…seed0"),
        ("日本語のモデル_seed0", 12, "日本…_seed0"),
        ("rank8", 2, "r…"),
        ("rank8", 0, ""),
    ],
)
def test_a_name_keeps_both_ends(name: str, room: int, cut: str) -> None:
    assert cells.cut_middle(name, room) == cut


def test_lines_are_broken_between_words_and_long_words_where_they_must() -> None:
    assert list(cells.folded("cancel it if it hangs", 10)) == ["cancel it", "if it", "hangs"]
    assert list(cells.folded("see /a/very/long/path", 10)) == ["see /a/ver", "y/long/pat", "h"]
