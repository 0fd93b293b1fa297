"""A config that is edited while its training waits to be sent: it doesn't train where nobody has looked."""

from pathlib import Path

import pytest

from fakes.experiments import Run, build, executions
from fakes.home import Home, wait_for

ONE_AT_A_TIME = "local: {max_submit: 1, stagger_seconds: 0, poll_seconds: 0.1, results_seconds: 0.5}\n"


def move(run: Path, output_dir: Path) -> None:
    """Its config and its script, as a person does it."""
    for name, before in (
        ("finetune.yaml", "${run_dir}/artifacts"),
        ("finetune.slurm", "--output-dir artifacts"),
    ):
        after = str(output_dir) if name.endswith("yaml") else f"--output-dir {output_dir}"
        (run / name).write_text((run / name).read_text().replace(before, after))


@pytest.mark.long
def test_it_is_not_sent_and_retry_trains_where_it_is_to(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", ONE_AT_A_TIME)
    dir = build(tmp_path / "exp", Run("rank4", seconds=2), Run("rank8"))
    with home.running():
        home.runexp("run", "--detach", str(dir))
        wait_for(lambda: executions(dir) == ["rank4"], "the first trains")
        move(dir / "rank8", dir / "rank4" / "artifacts")
        wait_for(lambda: home.outcome("words") is not None, "it ends")
        assert home.states("words") == {
            "rank4": "VERIFIED",
            "rank4/words/epoch0": "VERIFIED",
            "rank8": "SUBMIT_FAILED",
            "rank8/words/epoch0": "SKIPPED",
        }
        refused = home.runexp("retry", "words")
        assert "rank4 and rank8 have the same output_dir" in refused.stderr
        for name in ("finetune.yaml", "finetune.slurm"):
            path = dir / "rank8" / name
            path.write_text(path.read_text().replace("rank4/artifacts", "rank8/artifacts"))
        assert home.runexp("retry", "words").returncode == 0
        assert set(home.states("words").values()) == {"VERIFIED"}
    assert executions(dir) == ["rank4", "rank4/words_epoch0", "rank8", "rank8/words_epoch0"]
