"""Faults of the machine under a real daemon: its disk, its home, its descriptors, its clock; and results that come late."""

import gzip
import os
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from fakes.experiments import Run, build, executions, job_ids, overlaps, write_run
from fakes.home import BIN, Home, wait_for
from runexpd.__main__ import EX_CONFIG

EARLIER = Path(__file__).parent.parent / "ledger" / "earlier"
ALL = ["base/words", "rank4", "rank4/words_epoch0", "rank8", "rank8/words_epoch0", "rank8/words_epoch1"]
ONE_AT_A_TIME = "local: {max_submit: 1, stagger_seconds: 0, poll_seconds: 0.1, kill_wait_seconds: 0.2}\n"
PATIENT = "local: {max_running: 4, stagger_seconds: 0, poll_seconds: 0.1, results_seconds: 30}\n"
CLOCK = """import os, time
_time = time.time
def _shifted():
    try:
        with open(os.environ["FAKE_CLOCK"]) as file:
            return _time() + float(file.read() or 0)
    except (OSError, ValueError):
        return _time()
time.time = _shifted
"""
as_root = pytest.mark.skipif(
    os.getuid() != 0, reason="only root can mount a file system, or own as somebody else"
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    yield home
    if home.daemon is not None:
        home.stop()


@contextmanager
def tiny_disk(place: Path, size: str) -> Iterator[Path]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def fill(disk: Path) -> Path:
    """To the last byte, and beyond what a smaller write would still get."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        for size in (65536, 4096, 1):
            with suppress(OSError):
                while True:
                    os.write(file.fileno(), b"\0" * size)
    return filler


def ends(home: Home, name: str = "words") -> None:
    wait_for(lambda: home.outcome(name) is not None, f"{name} ends")


def each_ran_once(dir: Path, *names: str) -> None:
    assert executions(dir) == sorted(names)
    assert max(Counter(id for _, id in job_ids(dir)).values()) == 1


def refused_at_start(home: Home) -> list[str]:
    started = subprocess.run(
        [BIN / "runexpd"], env=home.environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert started.returncode in (1, EX_CONFIG), started.stderr
    assert "Traceback" not in started.stderr
    return [line for line in started.stderr.splitlines() if line.startswith("error: ")]


@as_root
def test_a_full_disk_below_the_ledger_stops_new_work_and_nothing_else(tmp_path: Path) -> None:
    dir = build(
        tmp_path / "exp", Run("base", epochs=0), Run("rank4", seconds=1), Run("rank8", epochs=2, seconds=1)
    )
    with tiny_disk(tmp_path / "disk", "2m") as disk:
        home = Home(disk)
        with home.running():
            home.runexp("run", "--detach", str(dir))
            wait_for(lambda: executions(dir) == ["rank4", "rank8"], "both run")
            filler = fill(disk)
            ended = [dir / "rank4/artifacts/epoch_0/config.json", dir / "rank8/artifacts/epoch_1/config.json"]
            wait_for(lambda: all(path.exists() for path in ended), "both have written their last")
            wait_for(
                lambda: home.runexp("status", "words").stdout.count("can't be written") == 1, "status says it"
            )
            home.kill()  # nor does a start with a full disk run anything again
            home.start()
            wait_for(lambda: "can't be written" in home.runexp("status", "words").stdout, "it says it again")
            filler.unlink()
            ends(home)
            assert set(home.states("words").values()) == {"VERIFIED"}
            assert "Traceback" not in home.log()
    each_ran_once(dir, *ALL)


@as_root
def test_a_full_disk_that_the_daemon_lives_through_is_caught_up_with(tmp_path: Path) -> None:
    dir = build(tmp_path / "exp")
    with tiny_disk(tmp_path / "disk", "2m") as disk:
        home = Home(disk)
        with home.running():
            home.runexp("run", "--detach", str(dir))
            wait_for(lambda: len(executions(dir)) >= 1, "one runs")
            filler = fill(disk)
            wait_for(lambda: "can't be written" in home.runexp("status", "words").stdout, "status says it")
            refused = home.runexp("retry", "words")
            assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)
            filler.unlink()
            ends(home)
            assert home.outcome("words") == "succeeded"
            assert "can't be written" not in home.runexp("status", "words").stdout
            assert "Traceback" not in home.log()
    each_ran_once(dir, *ALL)


@as_root
def test_a_full_disk_below_the_experiment_fails_its_jobs_and_can_be_mended(
    home: Home, tmp_path: Path
) -> None:
    with tiny_disk(tmp_path / "disk", "2m") as disk:
        dir = build(disk / "exp", Run("rank4", seconds=1))
        home.start()
        home.runexp("run", "--detach", str(dir))
        wait_for(lambda: executions(dir) == ["rank4"], "it runs")
        filler = fill(disk)
        ends(home)
        assert home.outcome("words") == "failed"
        filler.unlink()
        assert home.runexp("retry", "words").returncode == 0
        each_ran_once_of(dir, {"rank4": 2, "rank4/words_epoch0": 1})
        assert "Traceback" not in home.log()
        home.stop()


def each_ran_once_of(dir: Path, counts: dict[str, int]) -> None:
    assert Counter(executions(dir)) == counts
    assert max(Counter(id for _, id in job_ids(dir)).values()) == 1


@as_root
@pytest.mark.parametrize(("owner", "mode"), [(65534, 0o700), (0, 0o777), (0, 0o500)])
def test_a_home_that_is_not_safely_ours_is_refused_in_a_line(home: Home, owner: int, mode: int) -> None:
    home.dir.chmod(mode)
    os.chown(home.dir, owner, -1)
    (line,) = refused_at_start(home)
    assert str(home.dir) in line


@as_root
def test_a_home_on_a_read_only_file_system_is_refused_in_a_line(tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "disk", "1m") as disk:
        home = Home(disk)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        (line,) = refused_at_start(home)
        assert "read-only" in line


def test_hundreds_of_idle_connections_and_few_descriptors_leave_it_alive(home: Home, tmp_path: Path) -> None:
    dir = build(tmp_path / "exp")
    with (home.dir / "daemon.log").open("ab") as log:
        few = ["sh", "-c", f"ulimit -n 100; exec {BIN / 'runexpd'}"]
        home.daemon = subprocess.Popen(few, env=home.environment, stderr=log, stdout=log)
    wait_for(home._answers, "the daemon answers")
    assert home.runexp("run", "--detach", str(dir)).returncode == 0
    with ExitStack() as idle:
        for _ in range(400):
            each = idle.enter_context(socket.socket(socket.AF_UNIX))
            each.setblocking(False)
            with suppress(BlockingIOError):
                each.connect(str(home.dir / "run" / "runexpd.sock"))
        ended = dir / "run-experiment.log"
        wait_for(
            lambda: ended.exists() and "EXPERIMENT_COMPLETE" in ended.read_text(), "all ends meanwhile", 30
        )
    wait_for(lambda: home.runexp("status", "words").returncode == 0, "clients are served again")
    assert home.outcome("words") == "succeeded"
    assert "Traceback" not in home.log()
    each_ran_once(dir, *ALL)


def test_a_daemon_that_was_stopped_for_a_while_goes_on(home: Home, tmp_path: Path) -> None:
    dir = build(tmp_path / "exp")
    home.start()
    home.runexp("run", "--detach", str(dir))
    wait_for(lambda: len(home.of_type("SubmitAccepted")) == 2, "both are submitted")
    assert home.daemon is not None
    home.daemon.send_signal(signal.SIGSTOP)
    wait_for(lambda: (dir / "rank8/artifacts/epoch_1/config.json").exists(), "the jobs go on")
    home.daemon.send_signal(signal.SIGCONT)
    ends(home)
    each_ran_once(dir, *ALL)


@pytest.mark.parametrize("place", ["rank4/finetune.yaml", "experiment_summary.yaml", "rank4/finetune.slurm"])
def test_sigterm_ends_it_also_with_a_fifo_in_an_experiment(home: Home, tmp_path: Path, place: str) -> None:
    dir = build(tmp_path / "exp")
    (dir / place).unlink()
    os.mkfifo(dir / place)
    home.start()
    said = home.runexp("plan", str(dir))
    assert "Traceback" not in said.stderr
    assert home.daemon is not None
    home.daemon.send_signal(signal.SIGTERM)
    assert home.daemon.wait(10) == 0
    home.daemon = None


@pytest.mark.parametrize("hours", [-1, 1, -5 * 8766, 5 * 8766])
def test_a_clock_that_is_set_while_jobs_run_changes_nothing(home: Home, tmp_path: Path, hours: int) -> None:
    faked = tmp_path / "python"
    faked.mkdir()
    (faked / "sitecustomize.py").write_text(CLOCK)
    offset = tmp_path / "offset"
    offset.write_text("0")
    home.environment |= {"PYTHONPATH": str(faked), "FAKE_CLOCK": str(offset)}
    dir = build(
        tmp_path / "exp", Run("base", epochs=0), Run("rank4", seconds=1), Run("rank8", epochs=2, seconds=1)
    )
    home.start()
    home.runexp("run", "--detach", str(dir))
    wait_for(lambda: executions(dir) == ["rank4", "rank8"], "both run")
    offset.write_text(str(hours * 3600))
    ends(home)
    assert "Traceback" not in home.log()
    trained = Counter(name for name in executions(dir) if "/" not in name)
    assert trained == {"rank4": 1, "rank8": 1}
    assert max(Counter(executions(dir)).values()) == 1


@pytest.mark.long
def test_two_daemons_train_a_directory_once_and_one_takes_up_what_the_other_made(
    home: Home, tmp_path: Path
) -> None:
    other = Home(tmp_path / "other")
    dir = build(tmp_path / "exp", Run("rank4", seconds=3), Run("rank8", seconds=3))
    home.start()
    with other.running():
        for each in (home, other):
            each.runexp("run", "--detach", str(dir))
        for each in (home, other):
            ends(each)
        (owner, loser) = (home, other) if home.outcome("words") == "succeeded" else (other, home)
        said = {
            job["detail"] for job in loser.json("status", "words")["jobs"] if job["state"] == "SUBMIT_FAILED"
        }
        assert said
        whose = f"of another daemon's, {os.uname().nodename}:{owner.dir}/state"
        assert all(whose in words for words in said)
        assert loser.runexp("run", str(dir)).returncode == 0
    assert overlaps(dir) == ""
    assert executions(dir) == ["rank4", "rank4/words_epoch0", "rank8", "rank8/words_epoch0"]  # by either


@pytest.mark.long
def test_what_another_daemon_trained_while_one_waited_for_its_turn_is_taken_up(tmp_path: Path) -> None:
    home, other = Home(tmp_path / "home", ONE_AT_A_TIME), Home(tmp_path / "other")
    dir = build(tmp_path / "exp", Run("rank4", seconds=600), Run("rank8"))
    with home.running(), other.running():
        began = time.time()
        home.runexp("run", "--detach", str(dir))
        (asked,) = home.of_type("RunAsked")
        assert began < asked["looked_at"] < home.json("status", "words")["asked_at"]
        wait_for(lambda: executions(dir) == ["rank4"], "the first trains")
        other.runexp("run", str(dir))
        assert other.states("words")["rank8"] == "VERIFIED"
        home.runexp("cancel", "words", "rank4", "--yes")
        ends(home)
        said = {job["id"]: job["detail"] for job in home.json("status", "words")["jobs"]}
        assert "rank8/artifacts was trained into by job" in said["rank8"]
        home.runexp("run", str(dir))
        assert home.states("words")["rank8/words/epoch0"] == home.states("words")["rank8"] == "VERIFIED"
    assert executions(dir) == ["rank4", "rank8", "rank8/words_epoch0"]  # by either


@pytest.mark.long
def test_plan_says_for_whom_a_training_would_have_to_wait(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    dir = build(tmp_path / "exp", Run("rank4", seconds=600), Run("rank8", epochs=0))
    home.start()
    with other.running():
        home.runexp("run", "--detach", str(dir))
        wait_for(lambda: executions(dir) == ["rank4"], "it trains")
        lines = {line["job"]: line for line in other.json("plan", str(dir))["lines"]}
        assert lines["rank4"]["decision"] == "blocked"
        assert f"of another daemon's, {os.uname().nodename}:{home.dir}/state: " in lines["rank4"]["reason"]
        assert {line["decision"] for id, line in lines.items() if id != "rank4"} == {"submit"}
        home.runexp("cancel", "words", "--yes")
        ends(home)


@pytest.mark.parametrize("umask", ["000", "022"])
def test_homes_are_private_and_results_as_the_umask_says(home: Home, tmp_path: Path, umask: str) -> None:
    dir, new = build(tmp_path / "exp", Run("rank4")), tmp_path / "new"
    home.environment["RUNEXP_HOME"] = str(new)
    new_home = Home.__new__(Home)
    new_home.dir, new_home.environment, new_home.daemon = new, home.environment, None
    log = (tmp_path / "daemon.log").open("ab")
    start = ["sh", "-c", f"umask {umask}; exec {BIN / 'runexpd'}"]
    new_home.daemon = subprocess.Popen(start, env=home.environment, stderr=log, stdout=log)
    try:
        wait_for(lambda: new_home.runexp("ls").returncode == 0, "the daemon answers")
        assert new_home.runexp("run", str(dir)).returncode in (0, 3)
    finally:
        new_home.stop()
        log.close()
    ours = [new, *new.rglob("*")]
    open_ones = [path for path in ours if not path.is_symlink() and path.lstat().st_mode & 0o077]
    assert open_ones == []
    (output,) = (dir / "rank4" / "artifacts").glob("slurm-*.out")
    assert output.stat().st_mode & 0o040


def test_results_that_appear_late_are_waited_for(tmp_path: Path) -> None:
    home, dir = Home(tmp_path / "home", PATIENT), build(tmp_path / "exp", Run("rank4", fate="elsewhere"))
    with home.running():
        home.runexp("run", "--detach", str(dir))
        late = dir / "rank4" / "artifacts.late"
        wait_for(lambda: "COMPLETED" in home.states("words").values(), "it has ended")
        time.sleep(2)  # later than the first looks
        assert "COMPLETED" in home.states("words").values()
        for found in late.iterdir():
            found.rename(dir / "rank4" / "artifacts" / found.name)
        ends(home)
        assert home.outcome("words") == "succeeded"
    each_ran_once(dir, "rank4", "rank4/words_epoch0")


def test_results_that_never_appear_are_a_failure(home: Home, tmp_path: Path) -> None:
    home.start()
    dir = build(tmp_path / "exp", Run("rank4", fate="elsewhere"))
    assert home.runexp("run", str(dir)).returncode == 4
    job = home.json("status", "words")["jobs"][0]
    assert (job["state"], "epoch_0" in job["detail"]) == ("UNVERIFIED", True), job


def test_a_whole_checkpoint_without_any_log_is_good_with_a_warning(home: Home, tmp_path: Path) -> None:
    home.start()
    assert home.runexp("run", str(build(tmp_path / "exp", Run("rank4", fate="silent")))).returncode == 0
    assert home.json("status", "words")["jobs"][0]["warnings"]


def test_epochs_of_adapters_are_verified_and_evaluated(home: Home, tmp_path: Path) -> None:
    home.start()
    dir = build(tmp_path / "exp", Run("rank4", fate="adapter"))
    assert home.runexp("run", str(dir)).returncode == 0
    assert executions(dir) == ["rank4", "rank4/words_epoch0"]


@pytest.fixture
def in_doubt(home: Home, tmp_path: Path) -> Path:
    """A training that was finished by hand, without logs."""
    dir = build(tmp_path / "exp", Run("base", epochs=0), Run("rank4", fate="silent"))
    by_hand = ["bash", "-c", "mkdir -p artifacts; SLURM_JOB_ID=by-hand bash finetune.slurm"]
    subprocess.run(by_hand, cwd=dir / "rank4", check=True, timeout=20)
    (dir / "executions.txt").unlink()
    home.start()
    lines = {line["job"]: line for line in home.json("plan", str(dir))["lines"]}
    assert lines["rank4"]["decision"] == "blocked"
    assert "unclear" in lines["rank4"]["reason"]
    home.runexp("run", "--detach", str(dir))
    assert home.states("words")["rank4"] == "UNCLEAR"
    assert executions(dir) == []
    return dir


def test_accept_lets_the_evaluations_go(home: Home, in_doubt: Path) -> None:
    assert home.runexp("accept", "words", "rank4").returncode == 0
    assert executions(in_doubt) == ["base/words", "rank4/words_epoch0"]


def test_retry_trains_what_is_unclear_anew(home: Home, in_doubt: Path) -> None:
    write_run(in_doubt, Run("rank4"))
    assert home.runexp("retry", "words", "rank4").returncode == 0
    assert executions(in_doubt) == ["base/words", "rank4", "rank4/words_epoch0"]


def test_cancel_gives_up_what_is_unclear(home: Home, in_doubt: Path) -> None:
    assert home.runexp("cancel", "--yes", "words").returncode == 0
    ends(home)
    assert home.outcome("words") == "cancelled"
    assert executions(in_doubt) == []


def go_on(home: Home, id: str) -> None:
    """To its end: jobs whose records did not come along with the ledger are lost, and given up."""
    wait_for(lambda: home.outcome(id) is not None or "LOST" in home.states(id).values(), f"{id} goes on")
    while home.outcome(id) is None:
        home.runexp("cancel", "--yes", id)
        time.sleep(0.2)


@pytest.mark.parametrize("name", sorted(path.name.split(".")[0] for path in EARLIER.glob("*.sqlite.gz")))
def test_a_ledger_of_an_earlier_format_goes_on(home: Home, name: str) -> None:
    (home.dir / "state").mkdir(mode=0o700)
    packed = (EARLIER / f"{name}.sqlite.gz").read_bytes()
    (home.dir / "state" / "ledger.sqlite").write_bytes(gzip.decompress(packed))
    home.start()
    for line in home.json("ls"):
        assert home.runexp("status", line["id"]).returncode == 0
        go_on(home, line["id"])
    assert "Traceback" not in home.log()
    tokens = [event["token"] for event in home.of_type("AttemptIntended")]
    made_here = [token for token in tokens if token.count("-") == 1]
    assert len(made_here) == len(set(made_here))
    assert not set(made_here) & (set(tokens) - set(made_here))
