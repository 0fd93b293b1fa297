"""An evaluation that was killed: whether and with what its script can go on by itself. Its log is one that a real SIGKILL left."""

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from fakes.evidence import Rounds
from runexp.wire.jobs import Resume, Verdict
from runexpd.tools import inspect_call
from tools.cells import Cell, header

KILLED = Path(__file__).parent / "logs" / "0.3.285" / "ends" / "sigkill"
SCRIPT = (
    "#!/bin/bash\nsource v/bin/activate\ninspect eval task.py --model hf/x --log-dir ./logs --display plain\n"
)


def killed(cell: Cell, script: str = SCRIPT) -> Path:
    Path(cell.job.script).write_text(script)
    shutil.copytree(KILLED, cell.logs, dirs_exist_ok=True)
    (log,) = cell.logs.iterdir()
    os.utime(log)
    return log


def resume(cell: Cell, state: str = "TIMEOUT", exit_code: str = "0:0") -> Resume:
    found = cell.verdict(state, exit_code).resume
    assert found is not None
    return found


def test_it_goes_on_from_its_log_with_the_samples_that_are_in_it(cell: Cell) -> None:
    log = killed(cell)
    found = resume(cell)
    assert (found.path, found.done, found.total) == (str(log), 12, 20)


def test_samples_that_it_said_were_done_lie_in_the_buffer_beside_it(cell: Cell) -> None:
    killed(cell)
    cell.output.write_text("slow | Samples:   4/ 20 | acc\rslow | Samples:  15/ 20 | acc\n")
    assert resume(cell).done == 15
    killed(cell, SCRIPT.replace("eval ", "eval --no-log-realtime "))
    assert resume(cell).done == 12


SAYS = """#!/bin/bash
echo "$0" "$@"
"""


def ran(cell: Cell, variable: str, script: str) -> list[str]:
    """What an `inspect` that says its arguments was called with, by a script that was given the variable as sbatch gives it."""
    programs = cell.logs.parent / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "inspect").write_text(SAYS)
    (programs / "inspect").chmod(0o755)
    Path(cell.job.script).write_text(script)
    name, _, value = variable.partition("=")
    env = {"PATH": f"{programs}:/usr/bin:/bin", name: value}
    done = subprocess.run(["bash", cell.job.script], env=env, capture_output=True, text=True, check=True)
    return [line.partition("/bin/inspect ")[2] for line in done.stdout.splitlines()]


def test_its_own_script_then_calls_eval_retry_in_place_of_its_eval_and_all_else_as_it_is(cell: Cell) -> None:
    log = killed(cell, SCRIPT)
    retry = f"eval-retry ./logs/{log.name} --log-dir ./logs --display plain"
    script = (
        "#!/bin/bash\nset -eu\ninspect --version\n"
        "HF_HUB_OFFLINE=1 inspect eval task.py --model hf/x > >(cat) 2>/dev/null\nwait\ninspect\ninspect eval other.py\n"
    )
    found = ran(cell, resume(cell).variable, script)
    assert found == ["--version", retry, "", "eval other.py"], "once, and no more"
    assert ran(cell, "NOTHING=", SCRIPT.replace("source", "true")) == [
        "eval task.py --model hf/x --log-dir ./logs --display plain"
    ], "without it all anew"


@pytest.mark.parametrize("dir", ["it's here", "$(touch x)", "a;b `c`", "é"])
def test_no_directory_is_too_odd(tmp_path: Path, dir: str) -> None:
    (tmp_path / "cell").mkdir()
    cell = Cell(tmp_path / "cell")
    cell.logs = cell.logs.rename(cell.logs.parent / dir)
    cell.job = replace(cell.job, facts={**cell.job.facts, "log_dir": str(cell.logs)})
    quoted = "'" + dir.replace("'", "'\\''") + "'"
    log = killed(cell, f"#!/bin/bash\ninspect eval task.py --log-dir {quoted}\n")
    if (found := cell.verdict("TIMEOUT").resume) is None:
        assert "$" in dir or "`" in dir, "what only a shell knows is left to a person"
        return
    (called,) = ran(cell, found.variable, SCRIPT.replace("source", "true"))
    assert called == f"eval-retry {dir}/{log.name} --log-dir {dir}"
    assert not (cell.logs.parent / "x").exists()


PLAIN = "inspect eval task.py --model hf/x"


@pytest.mark.parametrize(
    ("script", "is_plain"),
    [
        (f"#!/bin/bash\n{PLAIN}\n", True),
        (f"#!/usr/bin/env bash\nexport A=1\n  {PLAIN} \\\n   -T a=b\nkill $!\nwait\n", True),
        (f"#!/bin/bash -l\nmodule load x\nA=1 B='2 3' {PLAIN} > out 2>&1 &\nwait\n", True),
        (f"#!/bin/bash\n# it waits for every batch, if ever\necho if for; done() {{ :; }}\n{PLAIN}\n", True),
        (f"#!/bin/bash\npip install inspect-ai\n# inspect eval other.py\n{PLAIN}\n", True),
        (f"#!/bin/bash\nif [ -e env ]; then source env; fi\nif true; then\n  {PLAIN}\nfi\n", True),
        (f"#!/bin/sh\n{PLAIN}\n", False),
        (f"{PLAIN}\n", False),
        (f"#!/bin/bash\n{PLAIN}\n{PLAIN}\n", False),
        (f"#!/bin/bash\n{PLAIN}; inspect eval two.py\n", False),
        (f"#!/bin/bash\n{PLAIN}\ninspect eval-set a.py\n", False),
        (f"#!/bin/bash\nsrun {PLAIN}\n", False),
        (f"#!/bin/bash\nif true; then {PLAIN}; fi\n", False),
        (f"#!/bin/bash\nfor t in a b; do\n  {PLAIN}\ndone\n", False),
        (f"#!/bin/bash\nrun_it() {{\n{PLAIN}\n}}\nrun_it\nrun_it\n", False),
        ("#!/bin/bash\npython -m inspect_ai eval task.py\n", False),
        ("#!/bin/bash\n./evaluate.sh\n", False),
        ("", False),
    ],
)
def test_it_is_left_to_a_person_where_a_script_is_not_plain(cell: Cell, script: str, is_plain: bool) -> None:
    assert (inspect_call.alone(script) is not None) == is_plain
    killed(cell, script)
    verdict = cell.verdict("TIMEOUT")
    assert (verdict.resume is not None) == is_plain
    assert "`inspect log recover " in verdict.warnings[0], "the commands are told in any case"


def none(verdict: Verdict) -> bool:
    return verdict.resume is None


def test_and_where_the_job_does_not_get_the_environment_or_nothing_was_finished(cell: Cell) -> None:
    log = killed(cell)
    cell.job = replace(cell.job, directives=("export",))
    assert none(cell.verdict("TIMEOUT"))
    cell.job = replace(cell.job, directives=("time",))
    assert none(cell.verdict(None)), "no attempt"
    log.unlink()
    assert none(cell.verdict("TIMEOUT"))
    cell.log(None)
    assert none(cell.verdict("TIMEOUT")), "it doesn't say how many samples there are"
    cell.log(header("started"), "2026-11-23T11-00-00")
    assert none(cell.verdict("TIMEOUT"))
    cell.log(header(), "2026-11-23T12-00-00")
    assert none(cell.verdict("TIMEOUT")), "it is finished"


@pytest.mark.parametrize("cut", [0, 10, 31, 300, 900])
def test_a_log_that_is_cut_short_or_damaged_tells_nothing(cell: Cell, cut: int) -> None:
    log = killed(cell)
    whole = log.read_bytes()
    log.write_bytes(whole[:cut])
    assert none(cell.verdict("TIMEOUT"))
    log.write_bytes(whole[:cut] + bytes(60) + whole[cut + 60 :])
    found = cell.verdict("TIMEOUT").resume
    assert found is None or (found.done, found.total) == (12, 20)


def test_a_script_that_can_not_be_read_is_not_plain(cell: Cell) -> None:
    log = killed(cell)
    assert none(cell.verdict("TIMEOUT", withheld=[Path(cell.job.script)]))
    assert none(cell.verdict("TIMEOUT", withheld=[log]))


def test_it_takes_one_round_more_and_only_of_a_log_that_was_begun(cell: Cell) -> None:
    killed(cell)
    rounds: Rounds = []
    cell.verdict("TIMEOUT", rounds=rounds)
    others: Rounds = []
    cell.log(header("error", error={"message": "x"}), "2026-11-30T00-00-00")
    cell.verdict("TIMEOUT", rounds=others)
    assert len(rounds) == len(others) + 1


CREATED = "2026-11-29T18:03:13+00:00"
BEFORE, AFTER = "2026-11-29T18:03:05.311088+00:00", "2026-11-29T18:03:13.447547+00:00"


def finished(cell: Cell, *completed_at: str | None) -> None:
    """A log with an end a sample, where it says one."""
    log = cell.log(None)
    whole = header(eval={"task": "words", "model": "hf/x", "created": CREATED})
    with zipfile.ZipFile(log, "a") as archive:
        ends = [{"id": n, "completed_at": at} if at else {"id": n} for n, at in enumerate(completed_at)]
        archive.writestr("summaries.json", json.dumps(ends))
        archive.writestr("header.json", json.dumps(whole))


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((BEFORE, BEFORE, AFTER), "; 2 of them of an attempt that was killed"),
        ((AFTER, AFTER), "; all of them made anew, though some were finished before"),
        ((None, None), ""),
        ((None, BEFORE, "soon"), "; 1 of them of an attempt that was killed"),
    ],
)
def test_what_was_taken_up_is_told_by_when_its_samples_were_completed(
    cell: Cell, ends: tuple[str | None, ...], said: str
) -> None:
    finished(cell, *ends)
    assert cell.verdict(resumed_from="a.eval").detail == f"10 of 10 samples{said}"
    assert cell.verdict().detail == "10 of 10 samples"


def test_a_log_that_does_not_tell_is_good_all_the_same(cell: Cell) -> None:
    cell.log(header(eval={"task": "words", "created": CREATED}))
    assert cell.verdict(resumed_from="a.eval").detail == "10 of 10 samples"
    cell.log(header())
    assert cell.verdict(resumed_from="a.eval").detail == "10 of 10 samples"
