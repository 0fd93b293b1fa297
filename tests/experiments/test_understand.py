"""What was gathered of a directory, understood without a host: whatever is in it, and whatever a tool module makes of it."""

from collections.abc import Callable
from typing import Any

import pytest

from fakes.experiments import CELL, CONFIG, FINETUNE
from runexp.wire.jobs import JobSpec
from runexp.wire.states import Phase
from runexpd.experiments import summary
from runexpd.experiments.problems import BadExperiment
from runexpd.experiments.scaffold import Discovery, Scaffold
from runexpd.hosts.base import FileFact, Kind
from runexpd.runtime.understand import Gathered, Reading, understand
from runexpd.tools import registry
from runexpd.tools.registry import Chosen

SUMMARY = """
experiment: {name: words}
tools: {preparation: torchtune, evaluation: inspect-ai}
runs: [{name: a, type: fine-tuned}, {name: b, type: fine-tuned}]
evaluation: {matrix: [{run: a, tasks: [words], epochs: [0]}]}
"""
COMMON = {"executions": "x", "jobs": "/jobs", "seconds": 0, "fate": "ok", "shards": 1}
TOOLS = registry.choose(registry.load(), None, None, "")


def script(run: str, directives: str = "") -> bytes:
    return FINETUNE.format(run=run, directives=directives, **COMMON).encode()


def texts(changed: dict[str, bytes]) -> dict[str, bytes]:
    cell = CELL.format(run="a", cell="words_epoch0", model="m", score=1, **COMMON)
    usual = {
        "a/finetune.slurm": script("a"),
        "a/finetune.yaml": CONFIG.format(epochs=1).encode(),
        "b/finetune.slurm": script("b"),
        "b/finetune.yaml": CONFIG.format(epochs=1).encode(),
        "a/eval/words_epoch0/cell.slurm": cell.encode(),
    }
    return {f"/exp/{path}": data for path, data in {**usual, **changed}.items()}


def gathered(changed: dict[str, bytes] | None = None, links: dict[str, str] | None = None) -> Gathered:
    found = texts(changed or {})
    entries = tuple(FileFact(path, len(data), 0.0, Kind.FILE) for path, data in found.items())
    return Gathered(dir="/exp", entries=entries, texts=found, links=links or {}, logs="/exp")


def read(found: Gathered, chosen: Chosen = TOOLS, text: str = SUMMARY) -> Reading:
    return understand(found, summary.read(text, "/exp/s.yaml", "/exp"), chosen, False)


def refusal(found: Gathered, chosen: Chosen = TOOLS) -> BadExperiment:
    with pytest.raises(BadExperiment) as raised:
        read(found, chosen)
    assert (raised.value.what + raised.value.where + raised.value.hint).isprintable()
    return raised.value


def test_a_place_is_the_work_directory_without_its_links() -> None:
    links = {"/exp/a": "/disk/a", "/exp/a/eval": "/other/eval"}
    places = {job.id: job.place for job in read(gathered(links=links)).jobs}
    assert places == {"a": "/disk/a", "b": "/exp/b", "a/words/epoch0": "/other/eval/words_epoch0"}


def test_two_runs_of_one_directory_are_refused() -> None:
    bad = refusal(gathered(links={"/exp/a": "/disk/x", "/exp/b": "/disk/x"}))
    assert (bad.what, bad.where) == ("a and b are the same script", "/disk/x/finetune.slurm")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"epochs: 1\xff", "not UTF-8 at byte 9"),
        (b"a: &a [*a]", "stands for what it is part of"),
        (b"x" * (4 * 1024 * 1024 + 1), "larger than 4 MB"),
    ],
)
def test_a_run_whose_config_is_none_is_refused(data: bytes, what: str) -> None:
    bad = refusal(gathered({"a/finetune.yaml": data}))
    assert what in bad.what
    assert bad.where.startswith("/exp/a/finetune.yaml")


def test_what_lies_about_may_be_what_it_is() -> None:
    found = gathered({"elsewhere/data.yaml": b"\xff", "elsewhere/finetune.slurm": b"\xff"})
    assert len(read(found).jobs) == 3


@pytest.mark.parametrize(
    ("directives", "what"),
    [
        ("#SBATCH --error='a\u202eb'\n", "characters that can't be shown"),
        ("#SBATCH --job-name='a\u2067b'\n", "characters that can't be shown"),
        ("#SBATCH --output=a\x1bb\n", "a control character"),
    ],
)
def test_a_path_that_can_not_be_shown_is_refused(directives: str, what: str) -> None:
    assert what in refusal(gathered({"a/finetune.slurm": script("a", directives)})).what


def test_of_many_warnings_a_hundred_are_shown() -> None:
    strays = {f"a/eval/stray{n}/cell.slurm": b"#!/bin/sh\n" for n in range(150)}
    warnings = read(gathered(strays)).warnings
    assert len(warnings) == 101
    assert warnings[-1] == "and 50 more"


def job(**changed: Any) -> JobSpec:
    known: dict[str, Any] = {
        "id": "a", "phase": Phase.OPTIMIZATION, "tool": "odd", "run": "a", "script": "/exp/a/x.sh",
        "workdir": "/exp/a", "name": "a", "output": "/exp/a/out",
    }  # fmt: skip
    return JobSpec(**{**known, **changed})


class Odd:
    """A tool module of somebody's."""

    name = "odd"
    phase = Phase.OPTIMIZATION
    log_name = "odd"

    def __init__(self, discovers: Callable[[], Any]) -> None:
        self.discovers = discovers

    def discover(self, scaffold: Scaffold) -> Any:
        return self.discovers()

    def verify(self, job: Any, attempt: Any) -> Any:
        raise NotImplementedError

    def ingredients(self, job: Any) -> Any:
        raise AssertionError("nobody asks")

    def progress(self, job: Any, attempt: Any) -> Any:
        raise NotImplementedError


class Found:
    def __getattr__(self, name: str) -> Any:
        raise OSError("two\nlines")


def found(*jobs: Any, **more: Any) -> Callable[[], Any]:
    return lambda: Discovery(jobs=jobs, **more)


def test_a_tool_of_somebodys_is_taken_at_its_word() -> None:
    chosen = Chosen(Odd(found(job(), job(id="b", run="b", script="/exp/b/x"))), TOOLS.evaluation)
    assert [job.id for job in read(gathered(), chosen).jobs] == ["a", "b", "a/words/epoch0"]


def test_lists_where_there_should_be_tuples_are_no_matter() -> None:
    chosen = Chosen(Odd(lambda: Discovery(jobs=[job()], warnings=["x\ny"])), TOOLS.evaluation)  # type: ignore[arg-type]
    reading = read(gathered(), chosen)
    assert reading.warnings == ("x y",)
    assert isinstance(reading.jobs, tuple)


def divide() -> Any:
    return 1 // 0


@pytest.mark.parametrize(
    ("discovers", "what"),
    [
        (divide, "the odd module failed: ZeroDivisionError: "),
        (lambda: None, "the odd module failed: TypeError: it found NoneType"),
        (Found, "the odd module failed: TypeError: it found Found"),
        (found("job"), "the odd module failed: ValidationError"),
        (found(job(id=None)), "the odd module failed: ValidationError"),
        (found(job(id="\ud800")), "the odd module failed: UnicodeEncodeError"),
        (found(job(phase="training")), "the odd module failed: ValidationError"),
        (found(job(facts={"x": object()})), "the odd module failed: TypeError"),
        (found(job(facts={"x": 1.5})), "the odd module failed: ValidationError"),
        (found(job(time_limit_seconds=10**30)), "the odd module failed: OverflowError"),
        (found(job(tool="torchtune")), "the odd module failed: ValueError: the job 'a' is torchtune's"),
        (found(job(phase=Phase.EVALUATION)), "the odd module failed: ValueError: the job 'a' is odd's, for the"),
        (found(job(run="c")), "the odd module failed: ValueError: the job 'a' is of 'c', which is no run"),
        (found(job(script="x.sh")), "the odd module failed: ValueError: the job 'a' has paths"),
        (found(missing=3), "the odd module failed: ValidationError"),
        (found(job(), job(script="/exp/a/y")), "two jobs are called 'a'"),
        (found(job(id="")), "two jobs are called"),
        (found(job(), job(id="b")), "a and b are the same script"),
        (found(job(), job(id="b", script="/exp/b/../a/x.sh")), "a and b are the same script"),
        (found(job(id="a\nb")), "characters that can't be shown"),
        (found(job(workdir="/exp/a\x1b[2J")), "characters that can't be shown"),
    ],
)  # fmt: skip
def test_a_tool_that_fails_is_said_to(discovers: Callable[[], Any], what: str) -> None:
    assert what in refusal(gathered(), Chosen(Odd(discovers), TOOLS.evaluation)).what
