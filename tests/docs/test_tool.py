"""The tool module that the documentation has: installed as it stands there, it evaluates a whole experiment."""

import importlib.util
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docs import texts
from fakes.experiments import TASK, Run, build
from fakes.home import Home
from runexp.wire.jobs import Finding, JobSpec, Verdict
from runexp.wire.states import Phase
from runexpd.hosts.base import Answer, FileFact, Kind, Missing, Part, Withheld
from runexpd.tools.base import Attempt

PAGE = (texts.ROOT / "docs" / "tool.md").read_text()
(MODULE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(ENTRY,) = re.findall(r"^(score-file = .*)$", PAGE.replace('"', ""), re.MULTILINE)
(TOOLS,) = re.findall(r"```yaml\n(.*?)\n```", PAGE)
ATTEMPT = Attempt(slurm_job_id="1", state="COMPLETED", started_at=1000.0, output="/exp/slurm-1.out")
JOB = JobSpec(
    id="rank8/words",
    phase=Phase.EVALUATION,
    tool="score-file",
    run="rank8",
    task="words",
    script="/exp/cell.slurm",
    workdir="/exp",
    name="cell.slurm",
    output="/exp/slurm-%j.out",
)


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("tool") / "score_file.py"
    path.write_text(MODULE)
    spec = importlib.util.spec_from_file_location("score_file", path)
    assert spec is not None
    assert spec.loader is not None
    module: types.ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.TOOL


def scores(text: str, modified_at: float = 1001.0) -> Part:
    return Part(FileFact("/exp/scores.json", len(text), modified_at, Kind.FILE), text.encode())


def judged(tool: Any, attempt: Attempt | None, found: Answer, said: str = "") -> Verdict:
    question: Iterator[Any] = tool.verify(JOB, attempt)
    asked = next(question)
    answers = [found, scores(said)][: len(asked)]
    with pytest.raises(StopIteration) as end:
        question.send(answers)  # type: ignore[attr-defined]
    verdict = end.value.value
    assert isinstance(verdict, Verdict)
    return verdict


@pytest.mark.parametrize(
    ("found", "finding", "kind"),
    [
        (scores('{"accuracy": 0.75}'), Finding.GOOD, None),
        (scores('{"accuracy": 0.75}', modified_at=900), Finding.UNCLEAR, "no_log"),
        (scores('{"accur'), Finding.BAD, "not_scored"),
        (scores("[1, 2]"), Finding.BAD, "not_scored"),
        (Missing(), Finding.UNCLEAR, "no_log"),
        (Withheld("no permission"), Finding.UNCLEAR, None),
    ],
)
def test_it_judges_as_the_page_says(tool: Any, found: Answer, finding: Finding, kind: str | None) -> None:
    verdict = judged(tool, ATTEMPT, found)
    assert (verdict.finding, verdict.failure and verdict.failure.kind) == (finding, kind)


def test_what_was_there_before_proves_it_done_and_nothing_there_does_not(tool: Any) -> None:
    assert judged(tool, None, scores('{"accuracy": 0.75}')).finding is Finding.GOOD
    assert judged(tool, None, Missing()).finding is Finding.BAD


@pytest.mark.long
def test_it_evaluates_a_whole_experiment(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "score_file-1.dist-info").mkdir(parents=True)
    (site / "score_file.py").write_text(MODULE)
    (site / "score_file-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: x\nVersion: 1\n")
    (site / "score_file-1.dist-info" / "entry_points.txt").write_text(f"[runexpd.tools]\n{ENTRY}\n")
    experiment = build(tmp_path / "exp", Run("rank8"))
    summary = experiment / "experiment_summary.yaml"
    summary.write_text(re.sub(r"^tools:.*$", TOOLS, summary.read_text(), flags=re.MULTILINE))
    cell = experiment / "rank8" / "eval" / f"{TASK}_epoch0"
    (cell / "cell.slurm").write_text("#!/bin/bash\necho '{\"accuracy\": 0.75}' >scores.json\n")
    home = Home(tmp_path / "home")
    home.environment["PYTHONPATH"] = str(site)
    with home.running():
        done = home.runexp("run", str(experiment))
        assert done.returncode == 0, done.stdout + done.stderr
        (job,) = [job for job in home.json("status", str(experiment))["jobs"] if job["task"]]
    assert [(each["metric"], each["value"]) for each in job["scores"]] == [("accuracy", 0.75)]
    assert (experiment / "run-score-file.log").exists()
