"""The README's smallest experiment is one."""

import re
from pathlib import Path

from fakes.home import Home

README = (Path(__file__).parents[2] / "README.md").read_text()


def block(begins: str) -> str:
    """The indented lines from the one that begins so, to an empty one."""
    found = re.search(rf"^    {re.escape(begins)}.*\n((?:    .*\n)+)", README, re.MULTILINE)
    assert found, begins
    return "".join(line[4:] + "\n" for line in found[1].splitlines())


def test_the_smallest_experiment_can_be_planned(tmp_path: Path) -> None:
    files = {
        "experiment_summary.yaml": block("# experiment_summary.yaml"),
        "rank8/finetune.slurm": block("# rank8/finetune.slurm"),
        "rank8/finetune.yaml": "output_dir: ./artifacts\n",
        "rank8/eval/capitals_epoch0/cell.slurm": block("# rank8/eval/capitals_epoch0/cell.slurm"),
        "base/eval/capitals/cell.slurm": block("# rank8/eval/capitals_epoch0/cell.slurm"),
    }
    for name, text in files.items():
        (tmp_path / "exp1" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "exp1" / name).write_text(text)
    home = Home(tmp_path / "home")
    with home.running():
        planned = home.runexp("plan", str(tmp_path / "exp1"), "--json")
        assert planned.returncode == 0, planned.stderr
        lines = home.json("plan", str(tmp_path / "exp1"))["lines"]
    assert {line["job"]: line["decision"] for line in lines} == {
        "rank8": "submit",
        "base/capitals": "submit",
        "rank8/capitals/epoch0": "submit",
    }
