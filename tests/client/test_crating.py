"""What a crate is made of: names that lead nowhere, attempts that succeeded, licences, and a check that can fail."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fakes import crates
from fakes.daemon import report
from runexp.crating import graph, names
from runexp.crating.filling import Filled, Ran
from runexp.crating.payload import Part, Payload
from runexp.crating.succeeded import Success, successes
from runexp.wire import events
from runexp.wire.jobs import Failure, Score
from runexp.wire.recipes import Recipe
from runexp.wire.states import Outcome, Phase, Stage
from runexp.wire.views import AttemptView, JobView

PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


@given(st.lists(st.text(), min_size=1, max_size=6))
def test_whatever_is_named_has_a_plain_name_of_its_own(said: list[str]) -> None:
    taken: set[str] = set()
    found = [names.apart(names.safe(each), taken) for each in said]
    assert len({name.lower() for name in found}) == len(said)
    for name in found:
        assert PLAIN.fullmatch(name)
        assert len(name) < 100
        assert not name.endswith(".")


@pytest.mark.parametrize(
    ("said", "safe"),
    [
        ("rank4/words/epoch0", "rank4-words-epoch0"),
        ("../../../etc/passwd", "etc-passwd"),
        ("..", "unnamed"),
        ("C:\\x\x1b[31m\n", "C-x-31m"),
        ("日本", "unnamed"),
        (".bashrc", "bashrc"),
        ("a" * 300 + ".slurm", "a" * 74 + ".slurm"),
    ],
)
def test_a_name_leads_nowhere(said: str, safe: str) -> None:
    assert names.safe(said) == safe


def test_who_comes_second_has_a_number_before_its_suffix() -> None:
    taken: set[str] = set()
    found = [names.apart(name, taken) for name in ("run.slurm", "RUN.slurm", "run-2.slurm", "run.slurm")]
    assert found == ["run.slurm", "RUN-2.slurm", "run-2-2.slurm", "run-3.slurm"]


GOOD = events.ResultVerified(job="a", token="t1", detail="fine", scores=(Score("match", "accuracy", 0.5),))
BAD = events.ResultRejected(job="a", token="t1", failure=Failure("timeout", "it took too long"))


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ([GOOD], {"t1": True}),
        ([BAD], {}),
        ([events.ResultVerified(job="a", token=None, detail="it was there")], {}),
        ([GOOD, events.RerunAsked(jobs=("a",), specs=())], {"t1": False}),
        ([GOOD, events.RerunAsked(jobs=("b",), specs=())], {"t1": True}),
        (
            [
                GOOD,
                events.RerunAsked(jobs=("a",), specs=()),
                events.ResultVerified(job="a", token="t2", detail=""),
            ],
            {"t1": False, "t2": True},
        ),
        ([BAD, events.ResultAccepted(job="a")], {"t1": True}),
        (
            [events.ResultUnclear(job="a", token="t1", detail="who knows"), events.ResultAccepted(job="a")],
            {"t1": True},
        ),
        ([events.ResultUnclear(job="a", token=None, detail=""), events.ResultAccepted(job="a")], {}),
        ([GOOD, events.ResultRejected(job="a", token="t1", failure=Failure("no_log", ""))], {"t1": False}),
    ],
)
def test_which_attempts_succeeded_and_whose_results_stand(
    told: list[events.Event], found: dict[str, bool]
) -> None:
    assert {token: success.stands for token, success in successes(told).items()} == found


def test_what_was_taken_as_it_is_says_what_it_was() -> None:
    assert successes([BAD, events.ResultAccepted(job="a")])["t1"].detail == "taken as it is: it took too long"


@pytest.mark.parametrize(
    ("said", "id"),
    [
        ("CC-BY-4.0", "https://spdx.org/licenses/CC-BY-4.0"),
        ("https://creativecommons.org/licenses/by/4.0/", "https://creativecommons.org/licenses/by/4.0/"),
        ("mine, all mine", None),
        ("javascript:alert(1)", None),
        ("https://x/\udc80", None),
        ("", None),
    ],
)
def test_a_licence_is_an_identifier_or_an_address(said: str, id: str | None) -> None:
    found = graph.license(said)
    assert (found.id if found else None) == id


def view(id: str, phase: Phase = Phase.OPTIMIZATION, tool: str = "torchtune", number: int = 1) -> Ran:
    attempt = AttemptView(
        number=number,
        token=f"{id}-{number}",
        slurm_job_id="101",
        state="COMPLETED",
        exit_code="0:0",
        submitted_at=1_000.0,
        started_at=1_001.5,
        ended_at=1_100.0,
    )
    job = JobView(
        id=id, phase=phase, tool=tool, run=id, task=None, epoch=None, stage=Stage.VERIFIED, state="VERIFIED", detail="",
        slurm_job_id="101", started_at=None, ended_at=None, script="", workdir="", output=None, attempts=(attempt,),
    )  # fmt: skip
    return Ran(stem=f"{names.safe(id)}-{number}", job=job, attempt=attempt)


def made(root: Path, *ran: Ran, **of_report: Any) -> Path:
    """A crate on disk, of attempts that all succeeded."""
    payload = Payload(root)
    for name in ("report.json", "report.html", "report.md", "scores.csv", "metrics.csv", "events.jsonl"):
        payload.put(name, name, ["x"])
    filled = Filled(
        report=replace(report(Outcome.SUCCEEDED), **of_report),
        parts=tuple(payload.parts),
        ran=ran,
        successes={
            each.attempt.token: Success(job=each.job.id, detail="fine") for each in ran if each.attempt
        },
        left_out=(),
    )
    (root / graph.NAME).write_text(json.dumps(graph.graph(filled, graph.NOT_STATED, 2_000.0)))
    return root


def test_it_says_what_was_asked_when_and_that_no_licence_was_stated(tmp_path: Path) -> None:
    crate = made(tmp_path, question="Does it help?\n", ended_at=1_500.0)
    root = crates.entities(crate)["./"]
    assert crates.broken(crate) == []
    assert (root["name"], root["description"]) == ("words", "Does it help?")
    assert root["datePublished"] == "1970-01-01T00:33:20+00:00"
    assert root["dateCreated"] == "1970-01-01T00:25:00+00:00"
    assert crates.entities(crate)[root["license"]["@id"]]["name"] == "No licence stated"
    assert "author" not in root


def test_what_has_no_name_and_no_question_has_both_all_the_same(tmp_path: Path) -> None:
    crate = made(tmp_path, name=" \n", question="")
    assert crates.broken(crate) == []


def test_each_version_of_a_tool_is_a_software_of_its_own(tmp_path: Path) -> None:
    old, new = (
        replace(view("a", number=number), recipe=Recipe(versions={"torchtune": version}))
        for number, version in ((1, "0.6.0"), (2, "0.6.1"))
    )
    unknown, own = view("b"), view("c", tool="sorcery/../x")
    crate = made(tmp_path, old, new, unknown, own)
    assert crates.broken(crate) == []
    software = {
        entity["@id"]: entity.get("softwareVersion")
        for entity in crates.of_type(crate, "SoftwareApplication")
    }
    assert software["https://pypi.org/project/torchtune/0.6.0/"] == "0.6.0"
    assert software["https://pypi.org/project/torchtune/0.6.1/"] == "0.6.1"
    assert software["https://pypi.org/project/torchtune/"] is None
    assert len(software) == 5
    instruments = {
        action["name"]: crates.refers(action, "instrument")
        for action in crates.of_type(crate, "CreateAction")
    }
    assert instruments["Training: a, attempt 2"] == ["https://pypi.org/project/torchtune/0.6.1/"]


def test_an_evaluation_leads_to_scores_and_a_training_to_curves(tmp_path: Path) -> None:
    crate = made(tmp_path, view("a"), view("a/words", Phase.EVALUATION, "inspect-ai"))
    training, evaluation = crates.entities(crate)["#a-1"], crates.entities(crate)["#a-words-1"]
    assert "metrics.csv" in crates.refers(training, "result")
    assert "scores.csv" in crates.refers(evaluation, "result")
    assert training["startTime"] == "1970-01-01T00:16:41+00:00"
    assert {"#a-1", "#a-words-1"} <= set(crates.refers(crates.entities(crate)["./"], "mentions"))


def without(name: str) -> Callable[[Path, dict[str, Any]], None]:
    return lambda crate, root: root.pop(name)


def listed(crate: Path, root: dict[str, Any]) -> None:
    root["hasPart"].append({"@id": "../outside"})


def shown(crate: Path, root: dict[str, Any]) -> None:
    (crate / "stowaway").write_text("x")


def gone(crate: Path, root: dict[str, Any]) -> None:
    (crate / "scores.csv").unlink()


def longer(crate: Path, root: dict[str, Any]) -> None:
    (crate / "scores.csv").write_text("longer")


def nested(crate: Path, root: dict[str, Any]) -> None:
    root["license"] = {"@id": "#x", "name": "x"}


def invented(crate: Path, root: dict[str, Any]) -> None:
    root["lossiness"] = 1


@pytest.mark.parametrize(
    "spoil",
    [
        *map(without, ("license", "name", "description", "datePublished", "hasPart")),
        listed,
        shown,
        gone,
        longer,
        nested,
        invented,
    ],
)
def test_a_crate_that_is_none_is_told_from_one(
    tmp_path: Path, spoil: Callable[[Path, dict[str, Any]], None]
) -> None:
    crate = made(tmp_path, view("a"))
    document = json.loads((crate / graph.NAME).read_text())
    spoil(crate, next(entity for entity in document["@graph"] if entity["@id"] == "./"))
    (crate / graph.NAME).write_text(json.dumps(document))
    assert crates.broken(crate) != []


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    payload = Payload(tmp_path)
    payload.put("a.csv", "", ["1"])
    with pytest.raises(FileExistsError):
        payload.put("a.csv", "", ["2"])
    assert payload.parts == [Part(path="a.csv", name="", media="text/csv", size_bytes=1)]
