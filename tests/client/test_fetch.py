"""Files brought home: cut off and gone on with, changed meanwhile, damaged on the way, named to lead elsewhere."""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from client.conftest import Runexp
from fakes.daemon import HANG_UP, FakeDaemon, report
from runexp import installing
from runexp.fetching import places, record, transfer
from runexp.fetching.places import NoPlace
from runexp.wire import requests
from runexp.wire.files import FileAsk, FileEnd, FilesAsk, FilesReply, Kind, Piece, RemoteFile
from runexp.wire.refusals import Code, Refused
from runexp.wire.states import Outcome

DATA = os.urandom(100_000)
SHA = hashlib.sha256(DATA).hexdigest()
AWAY = Refused(code=Code.UNREACHABLE, what="no link to it")


class Far:
    """A cluster with one file, and what goes wrong on the way."""

    def __init__(self, daemon: FakeDaemon) -> None:
        self.data, self.mtime, self.sha256 = DATA, 1000.0, SHA
        self.below = "rank8/eval/logs/a.eval"
        #: What each answer ends with after so many pieces: then it goes on without.
        self.cuts: list[tuple[int, Any]] = []
        self.sent = 0
        daemon.answers[FilesAsk] = lambda _: [self.listed()]
        daemon.answers[FileAsk] = self.pieces
        daemon.answer(requests.ReportAsk, report(Outcome.SUCCEEDED))

    def listed(self) -> FilesReply:
        return FilesReply(experiment="e1", name="words", cluster="della", dir="/exp", files=(self.file(),))

    def file(self) -> RemoteFile:
        return RemoteFile(
            kind=Kind.LOGS,
            path="/exp/rank8/eval/logs/a.eval",
            below=self.below,
            size_bytes=len(self.data),
            modified_at=self.mtime,
        )

    def pieces(self, asked: FileAsk) -> Iterator[Any]:
        count, end = self.cuts.pop(0) if self.cuts else (10**9, None)
        at = asked.offset
        while at < len(self.data) and count > 0:
            data = self.data[at : at + 10_000]
            yield Piece(offset=at, data=data, size_bytes=len(self.data), modified_at=self.mtime)
            at, count, self.sent = at + len(data), count - 1, self.sent + len(data)
        if end is not None and count == 0:
            yield end
            return
        yield FileEnd(size_bytes=len(self.data), modified_at=self.mtime, sha256=self.sha256)


@pytest.fixture
def far(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> Far:
    monkeypatch.setattr(transfer, "_PAUSE_SECONDS", 0.01)
    return Far(daemon)


def here(root: Path) -> Path:
    return root / "out" / "rank8/eval/logs/a.eval"


def test_a_file_comes_whole_with_its_time_and_is_not_brought_twice(
    far: Far, runexp: Runexp, home: Path
) -> None:
    done = runexp("fetch", "words", "out")
    assert done.exit_code == 0, done.output
    assert here(home).read_bytes() == DATA
    assert here(home).stat().st_mtime == 1000.0
    assert "1 files (0.1 MB) brought; 0 were there" in done.stdout
    assert (home / "out/report.md").read_text().startswith("## Run Experiment Complete")
    assert "0 files (0.0 MB) brought; 1 were there" in runexp("fetch", "words", "out").stdout
    assert far.sent == len(DATA)


def test_cut_off_ten_times_it_goes_on_where_it_stopped(far: Far, runexp: Runexp, home: Path) -> None:
    far.cuts = [(1, HANG_UP), (0, AWAY)] * 5
    done = runexp("fetch", "words", "out", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["files"][0]["sha256"] == SHA
    assert here(home).read_bytes() == DATA
    assert far.sent == len(DATA)


def test_a_client_that_was_ended_goes_on_too(
    far: Far, runexp: Runexp, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PATIENCE_SECONDS", -1.0)
    far.cuts = [(4, AWAY)]
    assert runexp("fetch", "words", "out").exit_code == 1
    assert not here(home).exists()
    assert runexp("fetch", "words", "out").exit_code == 0
    assert here(home).read_bytes() == DATA
    assert far.sent == len(DATA)


def test_what_changed_since_it_was_begun_is_begun_anew(
    far: Far, runexp: Runexp, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PATIENCE_SECONDS", -1.0)
    far.cuts = [(4, AWAY)]
    runexp("fetch", "words", "out")
    far.data, far.mtime = DATA[::-1], 2000.0
    far.sha256 = hashlib.sha256(far.data).hexdigest()
    assert runexp("fetch", "words", "out").exit_code == 0
    assert here(home).read_bytes() == far.data


def test_what_changes_while_it_comes_is_brought_as_it_is_then(far: Far, runexp: Runexp, home: Path) -> None:
    listed = far.listed()
    far.data, far.mtime = DATA + b"more", 2000.0
    far.sha256 = hashlib.sha256(far.data).hexdigest()
    far.listed = lambda: listed  # type: ignore[method-assign]
    assert runexp("fetch", "words", "out").exit_code == 0
    assert here(home).read_bytes() == far.data


def test_what_was_damaged_on_the_way_is_not_taken(far: Far, runexp: Runexp, home: Path) -> None:
    far.sha256 = "0" * 64
    done = runexp("fetch", "words", "out")
    assert done.exit_code == 1
    assert "left out: /exp/rank8/eval/logs/a.eval: it changed while it was brought" in done.stderr
    assert not here(home).exists()
    assert far.sent == 3 * len(DATA)


def test_without_sha256sum_its_size_is_what_counts_and_that_is_said(far: Far, runexp: Runexp) -> None:
    far.sha256 = ""
    done = runexp("fetch", "words", "out")
    assert done.exit_code == 0
    assert "1 of them verified by size alone" in done.stdout


def test_a_file_that_somebody_changed_here_is_brought_again(far: Far, runexp: Runexp, home: Path) -> None:
    runexp("fetch", "words", "out")
    here(home).write_bytes(DATA[:-1] + b"x")
    runexp("fetch", "words", "out")
    assert here(home).read_bytes() == DATA


@pytest.mark.parametrize(
    "below", ["../outside", "a/../../outside", "/etc/passwd", "a//b", "./a", "a/\0", record.NAME, "a" * 300]
)
def test_no_name_leads_out_of_the_directory(far: Far, runexp: Runexp, home: Path, below: str) -> None:
    with pytest.raises(NoPlace):
        places.relative(below, "/x")
    far.below = below
    done = runexp("fetch", "words", "out")
    assert done.exit_code == 1
    assert not far.sent
    assert not (home / "outside").exists()


def test_no_link_leads_out_of_it_either(far: Far, runexp: Runexp, home: Path) -> None:
    (home / "elsewhere").mkdir()
    (home / "out").mkdir()
    (home / "out" / "rank8").symlink_to(home / "elsewhere")
    done = runexp("fetch", "words", "out")
    assert done.exit_code == 1
    assert "leads out of" in done.stderr
    assert list((home / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("below", ["a" * 250, "\u00e9" * 127])
def test_the_longest_name_that_there_is_comes_too(far: Far, runexp: Runexp, home: Path, below: str) -> None:
    far.below = f"logs/{below}"
    far.cuts = [(4, AWAY)]
    assert runexp("fetch", "words", "out").exit_code == 0
    assert [path.read_bytes() for path in (home / "out" / "logs").iterdir()] == [DATA]


def test_a_file_that_has_no_place_costs_the_others_nothing(
    far: Far, runexp: Runexp, home: Path, daemon: FakeDaemon
) -> None:
    (home / "out").mkdir()
    (home / "out" / "mine").touch()
    files = [replace(far.file(), below=below) for below in ("mine/a.eval", "b.eval")]
    daemon.answer(FilesAsk, replace(far.listed(), files=tuple(files)))
    done = runexp("fetch", "words", "out")
    assert done.exit_code == 3
    assert "can't be written here" in done.stderr
    assert (home / "out" / "b.eval").read_bytes() == DATA


def test_a_link_in_place_of_the_file_is_left_alone(far: Far, runexp: Runexp, home: Path) -> None:
    precious = home / "precious"
    precious.write_text("mine")
    here(home).parent.mkdir(parents=True)
    here(home).symlink_to(precious)
    assert runexp("fetch", "words", "out").exit_code == 1
    assert precious.read_text() == "mine"


def test_what_lies_elsewhere_has_a_place_of_its_own() -> None:
    assert places.relative("", "/scratch/me/ck/epoch_0/a") == Path("elsewhere/scratch/me/ck/epoch_0/a")


def test_what_is_asked_for_is_what_was_said(far: Far, runexp: Runexp, daemon: FakeDaemon) -> None:
    runexp("fetch", "words", "out", "--adapters", "--job", "rank8", "--bandwidth", "1.5M")
    (asked,) = daemon.of(FilesAsk)
    assert set(asked.kinds) == {Kind.REPORTS, Kind.LOGS, Kind.ADAPTERS}
    assert asked.jobs == ("rank8",)
    assert daemon.of(FileAsk)[0].bytes_per_second == 1_500_000
    for rate in ("fast", "9" * 400, "9" * 15 + "G", "0.0000001", "\u0663M"):
        assert runexp("fetch", "words", "out", "--bandwidth", rate).exit_code == 2, rate


def test_a_record_that_is_spoiled_costs_time_alone(far: Far, runexp: Runexp, home: Path) -> None:
    runexp("fetch", "words", "out")
    (home / "out" / record.NAME).write_bytes(b"\xff{[\n" * 50)
    assert runexp("fetch", "words", "out").exit_code == 0
    assert here(home).read_bytes() == DATA


def test_view_brings_the_logs_and_says_what_to_install(
    far: Far, runexp: Runexp, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(home))
    monkeypatch.setattr(sys, "executable", str(home / "bin" / "python"))
    done = runexp("view", "words")
    assert done.exit_code == 1
    assert f"hint: {installing.command('inspect-ai')}; or" in done.stderr
    where = runexp("view", "words", "--fetch-only").stdout.strip()
    assert (Path(where) / far.below).read_bytes() == DATA


def test_the_viewer_is_found_in_the_environment_of_runexp_too(
    far: Far, runexp: Runexp, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = home / "bin" / "inspect"
    viewer.parent.mkdir()
    viewer.write_text(f"#!/bin/sh\necho $1 $2 > {home}/viewed\n")
    viewer.chmod(0o755)
    monkeypatch.setenv("PATH", str(home))
    monkeypatch.setattr(sys, "executable", str(home / "bin" / "python"))
    assert runexp("view", "words").exit_code == 0
    assert (home / "viewed").read_text() == "view start\n"
