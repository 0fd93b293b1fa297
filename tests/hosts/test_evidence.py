"""What a script printed may be anything: it is an answer, or it is refused as none."""

import random
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from runexpd.hosts import asking, evidence
from runexpd.hosts.base import Ask, ListDir, Locate, ReadPart, StatPath, Tree

WORDS = asking.Words("0123456789abcdef")
#: What answers are made of, and what could be in one.
PIECES = (
    b"\0",
    b"\xff",
    b"\n",
    b" ",
    b"9" * 400,
    b"-1",
    b"f" * 40,
    b"==> ",
    WORDS.row,
    WORDS.status,
    WORDS.section("places"),
)


def asked(dir: Path) -> list[Ask]:
    (dir / "a").mkdir()
    (dir / "b").write_text("b" * 50)
    path = str(dir)
    return [ListDir(path), Tree(path, 2), StatPath(path), Locate(path), ReadPart(f"{path}/b", -5, 5)]


def answered(asks: list[Ask]) -> bytes:
    script = asking.script(asks, WORDS, 10**6, 20)
    return subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    "row", [b"f" * 40 + b" 5 5 /x", b"81a4 -5 5 /x", b"81a4 5 " + b"9" * 400 + b" /x", b"81a4", b""]
)
def test_a_row_that_no_stat_prints_is_no_answer(tmp_path: Path, row: bytes) -> None:
    asks = asked(tmp_path)
    first, found, rest = answered(asks).partition(WORDS.row)
    evidence.parse(asks, WORDS, first + found + rest, b"")
    with pytest.raises(ValueError):  # noqa: PT011
        evidence.parse(asks, WORDS, first + found + row + b"\n" + found + rest, b"")


def test_whatever_is_spoilt_is_an_answer_or_none(tmp_path: Path) -> None:
    asks, chance = asked(tmp_path), random.Random(5)
    whole = answered(asks)
    for _ in range(2000):
        at, end = sorted((chance.randrange(len(whole)), chance.randrange(len(whole))))
        spoilt = whole[:at] + chance.choice(PIECES) + whole[chance.choice((at, at, end)) :]
        with suppress(ValueError):
            found = evidence.parse(asks, WORDS, spoilt, chance.choice(PIECES))
            for ask in asks:
                evidence.answer(ask, found, 1000)
