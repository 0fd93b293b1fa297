"""Files that are logs, and files that only look like one."""

import json
import os
import struct
import zipfile
from typing import Any

import pytest

from runexp.wire.jobs import Finding, Score
from tools.cells import ZSTD, Cell, header
from tools.trainings import awaited, kind


@pytest.mark.parametrize(
    "said",
    [
        {"status": 7},
        "[" * 100_000,
        "1" * 10_000,
        "not JSON",
        "[]",
        '{"status": "success", "results": {"total_samples": "many"}}',
        '{"status": "success", "results": {"scores": [{"name": "x", "metrics": {"y": {"value": 1e999999}}}, 7]}}',
        '{"status": "success", "results": {"scores": [{"name": "x", "metrics": {"y": {"value": %s}}}]}}'
        % 10**400,
    ],
)
def test_a_header_of_another_form_is_said_to_be_one(cell: Cell, said: Any) -> None:
    cell.log(said)
    verdict = cell.verdict()
    assert awaited(verdict) == "eval_started"
    assert "its header is not as expected" in verdict.detail
    assert kind(cell.verdict(None)) == "eval_started"


@pytest.mark.parametrize(
    "damage", [b"", b"PK", b"not a zip at all", b"PK\x05\x06" + b"\0" * 18, b"PK\x05\x06" + b"\xff" * 18]
)
def test_a_file_that_is_no_log_is_not_good(cell: Cell, damage: bytes) -> None:
    cell.log(header()).write_bytes(damage)
    assert awaited(cell.verdict()) == "eval_started"


def test_a_log_that_was_cut_short_is_not_good(cell: Cell) -> None:
    path = cell.log(header(), padding=100_000)
    path.write_bytes(path.read_bytes()[:-40])
    assert awaited(cell.verdict()) == "eval_started"


def test_a_log_with_a_damaged_header_is_not_good(cell: Cell) -> None:
    path = cell.log(header(), method=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b'"success"', b'"succesS"'))
    assert "it is damaged" in cell.verdict().detail


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, ZSTD])
def test_logs_of_all_versions_are_read(cell: Cell, method: int) -> None:
    cell.log(header(), method=method)
    assert cell.verdict().finding is Finding.GOOD


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packing_that_inspect_does_not_use_is_not_read(cell: Cell, method: int) -> None:
    cell.log(header(), method=method)
    assert "isn't known here" in cell.verdict().detail


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, ZSTD])
def test_a_header_that_inflates_is_not_followed_whatever_size_it_states(cell: Cell, method: int) -> None:
    path = cell.log(json.dumps(header(note=" " * 40_000_000)), method=method)
    assert "larger than 16777216 bytes" in cell.verdict().detail
    data = path.read_bytes()
    place = data.rindex(b"PK\x01\x02")  # the directory's entry of header.json; its stated size is 24 bytes in
    path.write_bytes(data[: place + 24] + struct.pack("<L", 100) + data[place + 28 :])
    assert "larger than 16777216 bytes" in cell.verdict().detail


def test_only_files_are_logs(cell: Cell) -> None:
    (cell.logs / "2026-11-23T10-00-00_x.eval").mkdir()
    os.mkfifo(cell.logs / "2026-11-23T11-00-00_x.eval")
    (cell.logs / "2026-11-23T12-00-00_x.eval").symlink_to("nothing")
    assert awaited(cell.verdict()) == "no_log"
    cell.log(header())
    assert cell.verdict().finding is Finding.GOOD


def test_a_name_that_is_no_text_is_shown_as_it_can_be(cell: Cell) -> None:
    path = cell.log(header(), name=os.fsdecode(b"2026-11-23T10-00-00_z\xff.eval"))
    verdict = cell.verdict()
    assert verdict.finding is Finding.GOOD
    assert verdict.artifacts == (str(path).replace("\udcff", "\\xff"),)
    cell.log(None, name=path.name)
    assert awaited(cell.verdict()) == "eval_started"


def test_a_file_that_is_not_named_like_a_log_is_older_than_all_that_are(cell: Cell) -> None:
    cell.log(None, name="zzz.eval")
    assert awaited(cell.verdict()) == "eval_started"
    cell.log(header())
    assert cell.verdict().finding is Finding.GOOD


def test_what_a_log_says_is_made_fit_to_be_shown(cell: Cell) -> None:
    cell.log(header("error", error={"message": "half \ud800 a pair\x1b]0;title\x07" + "x" * 70_000}))
    assert cell.verdict().detail.startswith("half \\ud800 a pair\\x1b]0;title\\x07xxx")
    assert len(cell.verdict().detail) == 300
    said = header()
    metrics = {f"m{n}\nSUBMIT_EVAL: forged": {"value": n} for n in range(500)}
    said["results"]["scores"] = [{"name": "match\u202e", "metrics": metrics}]
    cell.log(said)
    scores = cell.verdict().scores
    assert len(scores) == 200
    assert scores[1] == Score("match\\u202e", "m1 SUBMIT_EVAL: forged", 1.0, 10)


def test_a_large_log_is_read_by_its_end(cell: Cell) -> None:
    cell.log(header(), padding=3_000_000)
    assert cell.verdict().finding is Finding.GOOD


def test_a_header_longer_than_the_first_look_is_read_all_the_same(cell: Cell) -> None:
    cell.log(header(error={"message": "x", "traceback": os.urandom(200_000).hex()}), padding=1000)
    assert cell.verdict().finding is Finding.GOOD


def test_a_header_further_in_than_is_looked_for_is_not_found(cell: Cell) -> None:
    cell.log(header(error={"message": "x", "traceback": os.urandom(5_000_000).hex()}))
    assert "its header can't be read" in cell.verdict().detail
