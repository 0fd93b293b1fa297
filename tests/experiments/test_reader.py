"""An experiment's directory, read through a host."""

import os
from collections.abc import Sequence
from pathlib import Path

import anyio
import msgspec
import pytest

from fakes.experiments import Run, build
from runexpd.experiments import limits
from runexpd.experiments.problems import BadExperiment
from runexpd.experiments.scaffold import Discovery, Scaffold
from runexpd.hosts.base import Ran
from runexpd.hosts.local import LocalHost
from runexpd.runtime import reader
from runexpd.runtime.reader import Reading, check_writable, read_experiment
from runexpd.tools import registry, torchtune
from runexpd.tools.base import Tool

TOOLS = registry.load()


async def read(dir: Path, optimize_only: bool = False) -> Reading:
    return await read_experiment(LocalHost(), str(dir), TOOLS, optimize_only)


async def refusal(dir: Path) -> BadExperiment:
    with pytest.raises(BadExperiment) as raised:
        await read(dir)
    return raised.value


async def test_jobs_are_found_in_the_summarys_order(tmp_path: Path) -> None:
    reading = await read(build(tmp_path))
    assert [job.id for job in reading.jobs] == [
        "rank4",
        "rank8",
        "base/words",
        "rank4/words/epoch0",
        "rank8/words/epoch0",
        "rank8/words/epoch1",
    ]
    job = reading.jobs[1]
    assert (job.workdir, job.name, job.time_limit_seconds) == (f"{tmp_path}/rank8", "rank8", 600)
    assert job.output == f"{tmp_path}/rank8/artifacts/slurm-%j.out"
    assert job.facts["output_dir"] == job.results == f"{tmp_path}/rank8/artifacts"
    assert job.facts["epochs"] == 2


async def test_two_runs_that_would_overwrite_each_others_checkpoints_are_refused(tmp_path: Path) -> None:
    build(tmp_path)
    config = tmp_path / "rank8" / "finetune.yaml"
    config.write_text(config.read_text().replace("run_dir: .", f"run_dir: {tmp_path}/rank4/."))
    bad = await refusal(tmp_path)
    assert bad.what == f"rank4 and rank8 have the same output_dir: {tmp_path}/rank4/artifacts"
    assert bad.where == str(config)


async def test_no_directory_and_no_summary(tmp_path: Path) -> None:
    none = await refusal(tmp_path / "none")
    assert none.what == "no such directory"
    assert "`runexp ls`" in none.hint
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "experiment_summary.yaml").write_text("experiment: {name: here}\n")
    file = await refusal(tmp_path / "here" / "experiment_summary.yaml")
    assert (file.what, file.where) == (
        "a file, and no directory",
        str(tmp_path / "here" / "experiment_summary.yaml"),
    )
    assert "directory" in file.hint
    bad = await refusal(tmp_path)
    assert bad.what == "there is no experiment_summary.yaml"
    assert "design-experiment" in bad.hint


async def test_a_directory_that_is_not_below_home_is_said(tmp_path: Path) -> None:
    assert (await refusal(Path("not/there"))).what == "no such directory"


async def test_the_root_has_one_slash() -> None:
    assert (await refusal(Path("/"))).where == "/experiment_summary.yaml"


async def test_missing_scripts_are_listed(tmp_path: Path) -> None:
    build(tmp_path)
    (tmp_path / "rank4" / "finetune.slurm").unlink()
    (tmp_path / "rank8" / "eval" / "words_epoch1" / "cell.slurm").unlink()
    bad = await refusal(tmp_path)
    assert bad.what == "2 scripts are missing: rank4/finetune.slurm, rank8/eval/words_epoch1/cell.slurm"
    assert "scaffold-experiment" in bad.hint
    assert "--optimize-only" not in bad.hint


async def test_if_only_evaluations_are_missing_the_training_can_go_on(tmp_path: Path) -> None:
    build(tmp_path)
    (tmp_path / "rank8" / "eval" / "words_epoch1" / "cell.slurm").unlink()
    bad = await refusal(tmp_path)
    assert bad.what == "1 script is missing: rank8/eval/words_epoch1/cell.slurm"
    assert "--optimize-only" in bad.hint
    reading = await read(tmp_path, optimize_only=True)
    assert len(reading.jobs) == 5
    assert any("rank8/eval/words_epoch1" in warning for warning in reading.warnings)


async def test_scripts_that_nobody_asks_for_are_named(tmp_path: Path) -> None:
    build(tmp_path)
    for stray in ("other/finetune.slurm", "rank4/eval/extra/cell.slurm", "rank4/eval/extra_epoch0.slurm"):
        (tmp_path / stray).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / stray).write_text("#!/bin/bash\n")
    warnings = (await read(tmp_path)).warnings
    assert [w.removeprefix(f"{tmp_path}/").split(" ")[0] for w in warnings] == [
        "other/finetune.slurm",
        "rank4/eval/extra/cell.slurm",
        "rank4/eval/extra_epoch0.slurm",
    ]


async def test_an_unknown_tool_is_named_with_those_that_are_known(tmp_path: Path) -> None:
    summary = build(tmp_path) / "experiment_summary.yaml"
    summary.write_text(summary.read_text().replace("torchtune", "torchtoon"))
    bad = await refusal(tmp_path)
    assert bad.what == "unknown tool 'torchtoon' for the optimization"
    assert bad.hint == "known: torchtune"
    summary.write_text(summary.read_text().replace("torchtoon", "inspect-ai"))
    assert (await refusal(tmp_path)).what == "inspect-ai is no tool for the optimization"


async def test_a_config_that_is_no_yaml_is_named_with_its_line(tmp_path: Path) -> None:
    build(tmp_path)
    (tmp_path / "rank4" / "finetune.yaml").write_text("epochs: 1\nmodel: {\n")
    bad = await refusal(tmp_path)
    assert bad.where.startswith(f"{tmp_path}/rank4/finetune.yaml:3:")
    (tmp_path / "rank4" / "finetune.yaml").write_text("epochs: 1\noutput_dir: ${nosuch}/x\n")
    assert "nosuch" in (await refusal(tmp_path)).what


async def test_a_bad_directive_is_named_with_its_line(tmp_path: Path) -> None:
    script = build(tmp_path) / "rank4" / "finetune.slurm"
    script.write_text("#!/bin/bash\n#SBATCH --time=soon\n")
    bad = await refusal(tmp_path)
    assert (bad.what, bad.where) == ("Invalid --time specification", f"{script}:2")


async def test_overrides_on_the_command_line_win(tmp_path: Path) -> None:
    build(tmp_path, Run("rank4"))
    (tmp_path / "rank4" / "finetune.slurm").write_text(
        "#!/bin/bash\ntune run lora_finetune_single_device \\\n  --config other.yaml epochs=3 run_dir=sub\n"
    )
    (tmp_path / "rank4" / "finetune.yaml").rename(tmp_path / "rank4" / "other.yaml")
    (job, _) = (await read(tmp_path)).jobs
    assert job.facts["epochs"] == 3
    assert job.facts["output_dir"] == f"{tmp_path}/rank4/sub/artifacts"


async def test_checkpoints_are_where_older_experiments_keep_them(tmp_path: Path) -> None:
    summary = build(tmp_path, Run("rank4")) / "experiment_summary.yaml"
    summary.write_text(summary.read_text() + "output: {base_directory: out}\n")
    (tmp_path / "rank4" / "finetune.yaml").write_text("epochs: 1\n")
    assert (await read(tmp_path)).jobs[0].facts["output_dir"] == f"{tmp_path}/rank4/artifacts"
    (tmp_path / "out" / "ck-out-rank4").mkdir(parents=True)
    assert (await read(tmp_path)).jobs[0].facts["output_dir"] == f"{tmp_path}/out/ck-out-rank4"


async def test_a_run_may_lie_on_another_disk(tmp_path: Path) -> None:
    build(tmp_path / "exp")
    (tmp_path / "exp" / "rank4").rename(tmp_path / "large")
    (tmp_path / "exp" / "rank4").symlink_to(tmp_path / "large")
    assert len((await read(tmp_path / "exp")).jobs) == 6


async def test_logs_go_into_the_folder_for_them_if_there_is_one(tmp_path: Path) -> None:
    build(tmp_path)
    assert (await read(tmp_path)).logs["experiment"] == f"{tmp_path}/run-experiment.log"
    (tmp_path / "logs").mkdir()
    assert (await read(tmp_path)).logs["evaluation"] == f"{tmp_path}/logs/run-inspect.log"


async def test_a_folder_for_logs_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    dir = build(tmp_path / "exp")
    (tmp_path / "elsewhere").mkdir()
    (dir / "logs").symlink_to(tmp_path / "elsewhere")
    bad = await refusal(dir)
    assert bad.what == f"a link that leads out of the experiment, to {tmp_path}/elsewhere"
    assert bad.where == f"{dir}/logs"
    (dir / "logs").unlink()
    (dir / "logs").symlink_to("../exp")
    assert (await refusal(dir)).where == f"{dir}/logs"
    (dir / "kept").mkdir()
    (dir / "logs").unlink()
    (dir / "logs").symlink_to("kept")
    assert (await read(dir)).logs["experiment"] == f"{dir}/kept/run-experiment.log"
    (dir / "logs").unlink()
    (dir / "logs").write_text("a file")
    assert (await read(dir)).logs["experiment"] == f"{dir}/run-experiment.log"


async def test_each_job_has_its_place_whatever_leads_there(tmp_path: Path) -> None:
    dir = build(tmp_path / "exp")
    (dir / "rank4").rename(tmp_path / "large")
    (dir / "rank4").symlink_to(tmp_path / "large")
    (dir / "rank8" / "eval").rename(tmp_path / "cells")
    (dir / "rank8" / "eval").symlink_to(tmp_path / "cells")
    (tmp_path / "cells" / "words_epoch1").rename(tmp_path / "cell")
    (tmp_path / "cells" / "words_epoch1").symlink_to(tmp_path / "cell")
    (tmp_path / "link").symlink_to(dir)
    reading = await read(tmp_path / "link")
    assert reading.dir == str(dir)
    assert {job.id: job.place.removeprefix(f"{tmp_path}/") for job in reading.jobs} == {
        "rank4": "large",
        "rank8": "exp/rank8",
        "base/words": "exp/base/eval/words",
        "rank4/words/epoch0": "large/eval/words_epoch0",
        "rank8/words/epoch0": "cells/words_epoch0",
        "rank8/words/epoch1": "cell",
    }
    assert reading.jobs[0].workdir == f"{dir}/rank4"


@pytest.mark.parametrize(
    "name", ["finetune.yaml", "finetune.slurm", "eval/words_epoch0/cell.slurm", "eval/words_epoch0/eval.yaml"]
)
@pytest.mark.parametrize("kind", ["directory", "FIFO", "link to nothing", "link to a device"])
async def test_what_is_no_file_is_never_opened(tmp_path: Path, name: str, kind: str) -> None:
    path = build(tmp_path) / "rank4" / name
    path.unlink(missing_ok=True)
    match kind:
        case "directory":
            path.mkdir()
        case "FIFO":
            os.mkfifo(path)
        case "link to nothing":
            path.symlink_to("nothing")
        case _:
            path.symlink_to("/dev/zero")
    with anyio.fail_after(30):
        bad = await refusal(tmp_path)
    assert (bad.what, bad.where) == ("not a regular file", str(path))


async def test_a_summary_that_is_no_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "experiment_summary.yaml")
    with anyio.fail_after(30):
        bad = await refusal(tmp_path)
    assert bad.where == f"{tmp_path}/experiment_summary.yaml"


@pytest.mark.parametrize(
    "text", [b"\xff", b"experiment: {name: '\\uD800'}", b"x" * (4 * 1024 * 1024 + 1), b"&a [*a]"]
)
async def test_a_summary_that_can_not_be_understood_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "experiment_summary.yaml").write_bytes(text)
    assert (await refusal(tmp_path)).where.startswith(f"{tmp_path}/experiment_summary.yaml")


async def test_odd_names_elsewhere_are_nobodys_concern(tmp_path: Path) -> None:
    dir = build(tmp_path)
    for name in (b"z\xff", b"new\nline", b"\x1b[31m", b"stray\xff.slurm", b"stray\xff.yaml"):
        for place in (dir, dir / "rank4", dir / "rank4" / "eval"):
            Path(os.fsdecode(os.fsencode(place) + b"/" + name)).write_text("#!/bin/sh\n")
    reading = await read(dir)
    assert len(reading.jobs) == 6
    msgspec.json.encode(reading)


@pytest.mark.parametrize("name", [b"exp\xff", b"exp\nSUBMIT: x", b"exp\x1b[2J", "exp\u202e".encode()])
async def test_an_experiment_whose_path_can_not_be_shown_is_refused(tmp_path: Path, name: bytes) -> None:
    dir = build(tmp_path / "exp").rename(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    bad = await refusal(dir)
    assert bad.what == "a directory whose name can't be shown"
    assert bad.where.isprintable()
    (tmp_path / "link").symlink_to(dir)
    assert (await refusal(tmp_path / "link")).what == bad.what


class Spinning(torchtune.Torchtune):
    def discover(self, scaffold: Scaffold) -> Discovery:
        while True:
            pass


class Crashing(torchtune.Torchtune):
    def discover(self, scaffold: Scaffold) -> Discovery:
        os._exit(1)


class Local(torchtune.Torchtune):
    def __reduce__(self) -> str:
        raise TypeError("not this one")


@pytest.mark.parametrize(
    ("tool", "what"),
    [
        (Spinning(), "it can't be read: it takes longer than 1 s"),
        (Crashing(), "it can't be read: the process that read it ended with code 1"),
        (Local(), "it can't be read: it can't be handed to a child process: TypeError: not this one"),
    ],
)
async def test_a_tool_that_breaks_its_reader_breaks_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: Tool, what: str
) -> None:
    monkeypatch.setattr(reader, "_MOST_SECONDS", 1.0)
    dir = build(tmp_path)
    with pytest.raises(BadExperiment) as raised:
        await read_experiment(LocalHost(), str(dir), {**TOOLS, "torchtune": tool}, False)
    assert (raised.value.what, raised.value.where) == (what, str(dir))


async def test_more_than_an_experiment_holds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dir = build(tmp_path)
    monkeypatch.setattr(limits, "SCAFFOLD_BYTES", 100)
    assert "scripts and configs of more than" in (await refusal(dir)).what
    monkeypatch.setattr(limits, "ENTRIES", 5)
    assert "more than 5" in (await refusal(dir)).what


async def test_texts_are_fetched_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FETCH_BYTES", 300)
    monkeypatch.setattr(limits, "FETCH_FILES", 2)
    assert len((await read(build(tmp_path))).jobs) == 6


class Unwritable(LocalHost):
    """As a directory of somebody else's; root, who may write anywhere, can't be shown a real one."""

    async def run(self, argv: Sequence[str], stdin: bytes = b"", timeout_seconds: float = 60.0) -> Ran:
        return Ran(1, "", "")


async def test_a_directory_that_can_not_be_written_is_refused(tmp_path: Path) -> None:
    await check_writable(LocalHost(), str(tmp_path))
    with pytest.raises(BadExperiment, match="can't be written to"):
        await check_writable(Unwritable(), str(tmp_path))
    with pytest.raises(BadExperiment, match="can't be written to"):
        await check_writable(LocalHost(), str(tmp_path / "none"))
