"""A new tool is a file and an entry point: a third one, installed for the test, is found and used like the others."""

import sys
from pathlib import Path

import pytest

from fakes.experiments import build
from fakes.home import Home
from runexpd.experiments.problems import BadExperiment
from runexpd.tools import registry

#: A tool that looks for a file: its whole module.
MODULE = """
from runexp.wire.jobs import Failure, Finding, Verdict
from runexp.wire.states import Phase
from runexpd.experiments.scaffold import Discovery
from runexpd.hosts.base import Found, StatPath
from runexpd.tools import scripts


class Touch:
    name, phase, log_name = "touch", Phase.OPTIMIZATION, "touch"

    def discover(self, scaffold):
        paths = [(run.name, f"{scaffold.dir}/{run.name}/touch.slurm") for run in scaffold.runs]
        found = [(run, path) for run, path in paths if path in scaffold.texts]
        spec = lambda run, path: scripts.spec(
            path, scaffold.texts[path], id=run, phase=self.phase, tool=self.name, run=run
        )
        return Discovery(jobs=tuple(spec(run, path) for run, path in found))

    def verify(self, job, attempt):
        epoch = f"{job.workdir}/artifacts/epoch_0"
        (answer,) = yield [StatPath(epoch)]
        if isinstance(answer, Found):
            return Verdict(finding=Finding.GOOD, detail="touched", artifacts=(epoch,))
        failure = Failure("untouched", "not touched")
        return Verdict(finding=Finding.BAD, detail="not touched", failure=failure)

    def progress(self, job, attempt):
        return None
        yield


TOOL = Touch()
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """What installing a distribution leaves behind."""
    site = tmp_path / "site"
    info = site / "touchtool-1.dist-info"
    info.mkdir(parents=True)
    (site / "touchtool.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: touchtool\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[runexpd.tools]\ntouch = touchtool:TOOL\n")
    return site


def test_the_built_in_tools_come_by_the_same_door() -> None:
    assert set(registry.load()) == {"torchtune", "inspect-ai"}


def test_an_unknown_tool_is_answered_with_the_known_ones(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(site))
    with pytest.raises(BadExperiment, match="unknown tool 'nosuch'") as raised:
        registry.choose(registry.load(), "nosuch", None, "s.yaml")
    assert raised.value.hint == "known: torchtune, touch"
    sys.modules.pop("touchtool", None)


@pytest.mark.long
def test_a_third_tool_trains_a_whole_experiment(tmp_path: Path, site: Path) -> None:
    experiment = build(tmp_path / "exp")
    summary = experiment / "experiment_summary.yaml"
    summary.write_text(summary.read_text().replace("torchtune", "touch"))
    for run in ("rank4", "rank8"):
        (experiment / run / "touch.slurm").write_text(
            "#!/bin/bash\nmkdir -p artifacts/epoch_0 artifacts/epoch_1\n"
        )
    home = Home(tmp_path / "home")
    home.environment["PYTHONPATH"] = str(site)
    home.start()
    done = home.runexp("run", str(experiment))
    home.stop()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rank4: 0 s (touched)" in done.stdout
    assert (experiment / "run-touch.log").exists()
