"""runexp export: into an archive or a directory, over nothing that is there, no secret in it, and no name that leads elsewhere."""

import json
import os
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from client.conftest import Runexp
from fakes import crates
from fakes.daemon import LIVE, FakeDaemon, experiment, job, report, seen
from runexp.commands import export as command
from runexp.wire import events, requests
from runexp.wire.files import FileAsk, FileEnd, FilesAsk, FilesReply, Kind, Piece, RemoteFile
from runexp.wire.jobs import Failure, Policy, RunSpec, Score
from runexp.wire.metrics import Curves, Series
from runexp.wire.recipes import Recipe, Text, WithTexts
from runexp.wire.refusals import Code, Refused
from runexp.wire.requests import Follow, Metrics, ReportAsk, Show, ShowReply, Status, StatusReply
from runexp.wire.states import Outcome, Stage
from runexp.wire.views import AttemptView, JobView

SUMMARY = b"experiment: {name: words}\nnote: api_key=s3cr3ts3cr3t\n"


def attempt(job: str, number: int = 1, recipe: str = "r1") -> AttemptView:
    return AttemptView(
        number=number, token=f"{job}#{number}", slurm_job_id="101", state="COMPLETED", exit_code="0:0",
        submitted_at=1_000.0, started_at=1_010.0, ended_at=1_090.0, recipe=recipe,
    )  # fmt: skip


def verified(id: str, *attempts: AttemptView, **more: Any) -> JobView:
    return job(id, Stage.VERIFIED, "VERIFIED", attempts=attempts or (attempt(id),), **more)


class Told:
    """What the daemon knows of one experiment: a training and its evaluation."""

    def __init__(self, daemon: FakeDaemon) -> None:
        self.jobs: tuple[JobView, ...] = (
            verified("rank8"),
            verified("rank8/words/epoch0", scores=(Score("match", "accuracy", 0.5),)),
        )
        self.of_report: dict[str, Any] = {"ended_at": 1_100.0}
        self.texts = {"/exp/rank8/finetune.slurm": "#!/bin/bash\nexport HF_TOKEN=s3cr3ts3cr3t\n"}
        self.events: list[events.Event] = []
        self.summary: FilesReply | Refused = self.listed()
        daemon.answers[Status] = lambda _: [
            StatusReply(experiment=experiment(*self.jobs, outcome=Outcome.SUCCEEDED))
        ]
        daemon.answers[ReportAsk] = lambda _: [
            replace(report(Outcome.SUCCEEDED, *self.jobs), **self.of_report)
        ]
        daemon.answers[Metrics] = self.curves
        daemon.answers[Show] = self.recipe
        daemon.answers[Follow] = lambda _: self.history()
        daemon.answers[FilesAsk] = lambda _: [self.summary]
        daemon.answer(
            FileAsk,
            Piece(offset=0, data=SUMMARY, size_bytes=len(SUMMARY), modified_at=1_000.0),
            FileEnd(size_bytes=len(SUMMARY), modified_at=1_000.0),
        )

    def listed(self, below: str = "experiment_summary.yaml", size_bytes: int = len(SUMMARY)) -> FilesReply:
        file = RemoteFile(
            kind=Kind.REPORTS, path=f"/exp/{below}", below=below, size_bytes=size_bytes, modified_at=1_000.0
        )
        return FilesReply(experiment="e1", name="words", cluster="local", dir="/exp", files=(file,))

    def curves(self, asked: Metrics) -> Iterable[Any]:
        trained = [id for id in asked.jobs or [job.id for job in self.jobs] if "/" not in id]
        series = (
            Series(job=id, name="loss", steps=(1, 2), seconds=(0.5, 1.0), values=(2.0, None))
            for id in trained
        )
        return [Curves(experiment="e1", name="words", series=tuple(series))]

    def recipe(self, asked: Show) -> Iterable[Any]:
        texts = [
            Text(role="script", path=path, sha256="0" * 64, content=str(number), meaning="m")
            for number, path in enumerate(self.texts)
        ]
        shown = WithTexts(
            attempt=asked.attempt or 0,
            recipe=Recipe(texts=tuple(texts), versions={"torchtune": "0.6.1"}),
            contents={str(number): text for number, text in enumerate(self.texts.values())},
        )
        return [ShowReply(experiment="e1", job=asked.job, shown=shown)]

    def history(self) -> Iterable[Any]:
        judged = [
            events.ResultVerified(job=job.id, token=each.token, detail="fine")
            for job in self.jobs
            for each in job.attempts
        ]
        return [*(seen(number, event) for number, event in enumerate((*self.events, *judged), 1)), LIVE]


@pytest.fixture
def told(daemon: FakeDaemon) -> Told:
    return Told(daemon)


def unpacked(archive: Path, to: Path) -> Path:
    with zipfile.ZipFile(archive) as packed:
        assert packed.namelist()[0] == crates.DESCRIPTOR
        packed.extractall(to)
    return to


def files(crate: Path) -> set[str]:
    return {path.relative_to(crate).as_posix() for path in crate.rglob("*") if path.is_file()}


USUAL = {
    "ro-crate-metadata.json",
    "experiment_summary.yaml",
    "report.json",
    "report.html",
    "report.md",
    "scores.csv",
    "metrics.csv",
    "events.jsonl",
    "recipes/rank8-1.json",
    "recipes/rank8-1/finetune.slurm",
    "recipes/rank8-words-epoch0-1.json",
    "recipes/rank8-words-epoch0-1/finetune.slurm",
}


def test_an_archive_of_all_that_is_known(told: Told, runexp: Runexp, home: Path) -> None:
    done = runexp("export", "words")
    assert done.exit_code == 0, done.output
    assert done.stdout == "words.crate.zip: 12 files, 2 recipes, 2 attempts that succeeded\n"
    crate = unpacked(home / "words.crate.zip", home / "crate")
    assert crates.broken(crate) == []
    assert files(crate) == USUAL
    assert (crate / "metrics.csv").read_text().splitlines()[1:] == [
        "rank8,1,loss,1,0.5,2.0",
        "rank8,1,loss,2,1.0,nan",
    ]
    assert json.loads((crate / "report.json").read_text())["name"] == "words"
    assert [json.loads(line)["seq"] for line in (crate / "events.jsonl").read_text().splitlines()] == [1, 2]
    kept = json.loads((crate / "recipes/rank8-1.json").read_text())
    assert kept["files"] == {"/exp/rank8/finetune.slurm": "recipes/rank8-1/finetune.slurm"}
    assert crates.refers(crates.entities(crate)["#rank8-1"], "object") == [
        "recipes/rank8-1.json",
        "recipes/rank8-1/finetune.slurm",
    ]


def test_a_directory_where_the_name_says_so(told: Told, runexp: Runexp, home: Path) -> None:
    os.umask(previous := os.umask(0))
    done = runexp("export", "words", "out/put", "--json", "--license", "CC-BY-4.0")
    assert done.exit_code == 1
    assert "there is no such directory" in done.stderr
    (home / "out").mkdir()
    done = runexp("export", "words", "out/put", "--json", "--license", "CC-BY-4.0")
    assert json.loads(done.stdout) == {
        "experiment": "e1", "name": "words", "path": "out/put", "files": 12, "recipes": 2, "succeeded": 2, "left_out": [],
    }  # fmt: skip
    crate = home / "out" / "put"
    assert crates.broken(crate) == []
    assert files(crate) == USUAL
    assert crate.stat().st_mode & 0o777 == 0o777 & ~previous
    assert crates.refers(crates.entities(crate)["./"], "license") == ["https://spdx.org/licenses/CC-BY-4.0"]
    assert os.listdir(home / "out") == ["put"]


def test_what_is_there_stays_unless_it_is_a_crate_that_is_to_be_replaced(
    told: Told, runexp: Runexp, home: Path, daemon: FakeDaemon
) -> None:
    (home / "mine").mkdir()
    (home / "mine" / "thesis.tex").write_text("years")
    (home / "x.zip").write_text("mine")
    (home / "y.zip").mkdir()
    for taken in ("mine", "x.zip", "y.zip", "."):
        done = runexp("export", "words", taken)
        assert done.exit_code == 1
        assert "is there already" in done.stderr
        assert "--replace" in done.stderr
    for taken in ("mine", "y.zip", "."):
        assert "it stays" in runexp("export", "words", taken, "--replace").stderr
    assert not daemon.of(ReportAsk)
    assert (home / "mine" / "thesis.tex").read_text() == "years"
    assert runexp("export", "words", "x.zip", "--replace").exit_code == 0
    assert zipfile.is_zipfile(home / "x.zip")
    assert runexp("export", "words", "crate").exit_code == 0
    (home / "crate" / "of before").write_text("x")
    assert runexp("export", "words", "crate", "--replace").exit_code == 0
    assert files(home / "crate") == USUAL


def test_no_secret_is_in_it_whoever_let_it_slip(told: Told, runexp: Runexp, home: Path) -> None:
    line = "WANDB_API_KEY=s3cr3ts3cr3t train"
    told.jobs = (
        *told.jobs,
        job(
            "rank4",
            Stage.FAILED,
            "FAILED",
            detail=line,
            failure=Failure("unknown", line, (line,)),
            attempts=(attempt("rank4"),),
        ),
    )
    told.of_report |= {
        "question": f"Does {line} help?",
        "runs": (RunSpec("rank8", "fine-tuned", None, {"hub_token": "s3cr3ts3cr3t", "lora_rank": 8}),),
    }
    told.events = [
        events.RunAsked(
            policy=Policy(before_evaluations=f"export {line}"),
            tools={},
            logs={},
            runs=told.of_report["runs"],
            jobs=(),
        )
    ]
    assert runexp("export", "words", "crate").exit_code == 0
    for path in (home / "crate").rglob("*"):
        assert path.is_dir() or b"s3cr3t" not in path.read_bytes(), path
    assert "lora_rank" in (home / "crate" / "events.jsonl").read_text()
    assert "HF_TOKEN=***" in (home / "crate/recipes/rank8-1/finetune.slurm").read_text()
    assert "api_key=***" in (home / "crate/experiment_summary.yaml").read_text()
    assert crates.broken(home / "crate") == []


def test_no_name_leads_out_of_it(told: Told, runexp: Runexp, home: Path) -> None:
    hostile = (
        "../../outside",
        "a/b",
        "a-b",
        "A-B",
        "x\x1b[31m\ny",
        "..",
        "\u202e日本",
        "a" * 300,
        "con<script>",
    )
    told.jobs = tuple(verified(name) for name in hostile)
    told.of_report["name"] = '"><script>alert(1)</script>\x1b[2J'
    told.texts = {
        f"/exp/{name}": "x" for name in ("..", "../../outside", "a b", "a\tb", "\0", "ro-crate-metadata.json")
    }
    done = runexp("export", "words", "crate")
    assert done.exit_code == 0, done.output
    assert crates.broken(home / "crate") == []
    assert len(crates.of_type(home / "crate", "CreateAction")) == len(hostile) + 1
    assert len(list((home / "crate" / "recipes").glob("*.json"))) == len(hostile)
    assert sorted(path.name for path in home.iterdir()) == ["crate", "run"]
    assert "\x1b" not in (home / "crate" / crates.DESCRIPTOR).read_text()


@pytest.mark.parametrize(
    ("summary", "why"),
    [
        (Refused(code=Code.UNREACHABLE, what="no link to della"), "no link to della"),
        (
            FilesReply(experiment="e1", name="words", cluster="local", dir="/exp", files=()),
            "it isn't there any more",
        ),
    ],
)
def test_what_cannot_be_had_is_said_and_the_rest_is_whole(
    told: Told, runexp: Runexp, home: Path, summary: Any, why: str
) -> None:
    told.summary = summary
    done = runexp("export", "words", "crate")
    assert done.exit_code == 3
    assert f"left out: experiment_summary.yaml: {why}" in done.stderr
    assert files(home / "crate") == USUAL - {"experiment_summary.yaml"}
    assert crates.broken(home / "crate") == []


def test_a_summary_that_is_none_is_left_where_it_is(told: Told, runexp: Runexp, daemon: FakeDaemon) -> None:
    told.summary = told.listed(size_bytes=10**9)
    assert "it has 1000000000 bytes" in runexp("export", "words").stderr
    assert not daemon.of(FileAsk)


def test_a_recipe_that_is_not_in_the_ledger_is_left_out_and_its_attempt_is_not(
    told: Told, runexp: Runexp, home: Path, daemon: FakeDaemon
) -> None:
    daemon.answer(Show, Refused(code=Code.UNKNOWN, what="it is not in the ledger"))
    done = runexp("export", "words", "crate", "--json")
    assert done.exit_code == 3
    assert json.loads(done.stdout)["left_out"][0] == "the recipe of rank8, attempt 1: it is not in the ledger"
    assert crates.broken(home / "crate") == []
    assert crates.entities(home / "crate")["#rank8-1"]["object"] == []


def test_results_of_nobody_s_attempt_have_their_recipe_and_no_action(
    told: Told, runexp: Runexp, home: Path, daemon: FakeDaemon
) -> None:
    told.jobs = (job("rank8", Stage.VERIFIED, "VERIFIED"), verified("rank4", attempt("rank4", recipe="")))
    told.of_report["recipes"] = {"rank8": Recipe()}
    assert runexp("export", "words", "crate").exit_code == 0
    (asked,) = daemon.of(Show)
    assert (asked.job, asked.attempt) == ("rank8", None)
    assert "recipes/rank8-found.json" in files(home / "crate")
    assert [action["@id"] for action in crates.of_type(home / "crate", "CreateAction")] == [
        "#rank4-1",
        "#report",
    ]


def test_an_event_of_a_newer_daemon_is_kept_and_stepped_over(
    told: Told, runexp: Runexp, home: Path, daemon: FakeDaemon
) -> None:
    known = list(told.history())
    new = replace(known[0].envelope, event=msgspec.Raw(b'{"type":"Dreamt","of":"api_key=s3cr3ts3cr3t"}'))
    daemon.answers[Follow] = lambda _: [requests.Seen(envelope=new), *known]
    assert runexp("export", "words", "crate").exit_code == 0
    assert '{"type":"Dreamt","of":"api_key=***"}' in (home / "crate" / "events.jsonl").read_text()
    assert len(crates.of_type(home / "crate", "CreateAction")) == 3


def test_a_daemon_that_goes_away_leaves_nothing_half_made(
    told: Told, runexp: Runexp, home: Path, daemon: FakeDaemon
) -> None:
    daemon.answer(ReportAsk)
    done = runexp("export", "words", "crate")
    assert done.exit_code == 7
    assert sorted(path.name for path in home.iterdir()) == ["run"]


def test_without_the_library_it_says_what_to_install(
    told: Told, runexp: Runexp, monkeypatch: pytest.MonkeyPatch, daemon: FakeDaemon
) -> None:
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    done = runexp("export", "words")
    assert done.exit_code == 1
    assert "pip install 'runexp[crate]'" in done.stderr
    assert not daemon.asked


def test_a_licence_that_is_none_is_refused(told: Told, runexp: Runexp, home: Path) -> None:
    done = runexp("export", "words", "--license", "mine, all mine")
    assert done.exit_code == 2
    assert "mine, all mine is no licence" in done.stderr
    assert not list(home.glob("*.zip"))


def test_nothing_is_fetched(told: Told, runexp: Runexp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even a name is looked up."""

    def looked_up(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.getaddrinfo", looked_up)
    assert runexp("export", "words").exit_code == 0


def test_on_a_terminal_it_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    told = command._counter(as_json=False)
    told(1, 2)
    told(2, 2)
    assert "recipes: 1 of 2" in capsys.readouterr().err
    command._counter(as_json=True)(1, 2)
    assert capsys.readouterr().err == ""
