"""What a submission leaves in its room and what it costs there, in each shell that may be a head node's sh."""

import fcntl
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from runexpd.clusters.base import Accepted, Deferred, Refused, Submission, Unclear
from runexpd.clusters.slurm import commands, errors, parse, rooms

SHELLS = [shell for shell in ("dash", "bash --posix", "busybox sh", "ksh") if shutil.which(shell.split()[0])]
#: Says an id for each; nothing and an error for a script called `bad`.
SBATCH = """case $* in
  *bad*) echo "sbatch: error: Batch job submission failed: no such thing" >&2; exit 3 ;;
esac
read -r last <"$HOME/last"
echo $((last + 1)) >"$HOME/last"
echo "a site's own word" >&2
echo $((last + 1))"""
DAEMON = "host:/state"
#: What the scripts may run, besides what the shell has itself.
PROGRAMS = (
    "mkdir",
    "rm",
    "mv",
    "head",
    "flock",
    "true",
    "grep",
    "id",
    "date",
    "stat",
    "timeout",
    "find",
    "awk",
    "uname",
)


class HeadNode:
    def __init__(self, home: Path, shell: str) -> None:
        self.home, self.shell, self.spool = home, shell.split(), home / ".runexp"
        (home / "last").write_text("6\n")
        self.bin = home / "bin"
        self.bin.mkdir()
        for name in PROGRAMS:
            self.program(name, f'exec {shutil.which(name)} "$@"')
        self.program("sbatch", SBATCH)

    def program(self, name: str, body: str) -> None:
        (self.bin / name).write_text(f'#!/bin/sh\necho {name} >>"$HOME/ran"\n{body}\n')
        (self.bin / name).chmod(0o755)

    def queue(self, *rows: str, exit_code: int = 0) -> None:
        """What squeue says."""
        (self.home / "queue").write_text("".join(f"{row}\n" for row in rows))
        self.program("squeue", f'echo "$@" >"$HOME/asked"; cat "$HOME/queue"; exit {exit_code}')

    def training(self, token: str) -> Submission:
        one = msgspec.structs.replace(self.submission("one"), token=token)
        return msgspec.structs.replace(one, results=f"{one.workdir}/artifacts")

    def submission(self, name: str) -> Submission:
        dir = self.home / name
        dir.mkdir(exist_ok=True)
        outputs = (f"{dir}/out/deep",)
        return Submission(
            token=f"t-{name}", script=f"{dir}/x.slurm", workdir=str(dir), name=name, output_dirs=outputs
        )

    def run(self, argv: Sequence[str], stdin: bytes = b"") -> dict[str, rooms.Receipt]:
        environment = {"HOME": str(self.home), "PATH": str(self.bin)}
        shell = [shutil.which(self.shell[0]) or "", *self.shell[1:]]
        done = subprocess.run([*shell, *argv[1:]], input=stdin, capture_output=True, env=environment)
        assert done.returncode == 0, done.stderr
        return {receipt.token: receipt for receipt in rooms.receipts(done.stdout.decode())}

    def send(self, *batch: Submission, daemon: str = "other:/state") -> dict[str, rooms.Receipt]:
        return self.run(commands.submit(batch, {}, daemon))

    def resolve(self, *batch: Submission) -> dict[str, rooms.Receipt]:
        return self.run(commands.resolve([each.token for each in batch], commands.FIELDS))

    def ran(self) -> Counter[str]:
        """Programs run since this was asked last."""
        list = self.home / "ran"
        counted = Counter(list.read_text().split())
        list.unlink()
        return counted

    def room(self, submission: Submission, **files: str) -> None:
        """As an earlier runexpd left it."""
        room = self.spool / submission.token
        room.mkdir(parents=True)
        for name, text in files.items():
            (room / name).write_text(text)
            os.utime(room / name, (1e9, 1e9) if name == "lock" else (2e9, 2e9))


@pytest.fixture(params=SHELLS)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> HeadNode:
    return HeadNode(tmp_path, request.param)


def test_a_job_costs_one_process_and_one_file(node: HeadNode) -> None:
    batch = [node.submission(f"n{number}") for number in range(12)]
    told = node.send(*batch)
    assert [told[each.token].job_id for each in batch] == [str(7 + number) for number in range(12)]
    assert node.ran() == {"sbatch": 12, "mkdir": 2, "rm": 1, "uname": 1}
    assert sorted(node.spool.rglob("*")) == sorted(
        made for each in batch for made in (node.spool / each.token, node.spool / each.token / "lock")
    )
    assert all(os.path.isdir(each.output_dirs[0]) for each in batch)


def test_what_was_submitted_is_told_and_not_done_again(node: HeadNode) -> None:
    good, bad, away = (node.submission(name) for name in ("good", "bad", "away"))
    shutil.rmtree(away.workdir)
    first = node.send(good, bad, away)
    assert (first["t-good"].what, first["t-good"].out) == ("done", ("7",))
    assert first["t-good"].said == ("a site's own word",)
    assert (first["t-bad"].what, first["t-bad"].exit_code) == ("done", 3)
    assert errors.answer(first["t-bad"]) == Refused("no such thing")
    assert first["t-away"].what == "refused"
    assert node.ran()["sbatch"] == 2
    again, resolved = node.send(good, bad, away), node.resolve(good, bad, away)
    assert again == first
    assert {t: (r.what, r.out, r.said) for t, r in resolved.items()} == {
        t: (r.what, r.out, r.said) for t, r in first.items()
    }
    assert "sbatch" not in node.ran()


def test_a_room_says_when_and_whence(node: HeadNode) -> None:
    one = node.submission("one")
    node.send(one)
    os.utime(node.spool / one.token, (1e9, 1e9))
    os.utime(node.spool / one.token / "lock", (1e9 + 5, 1e9 + 5))
    room = node.run(commands.rooms(), commands.tokens([one.token]))[one.token].room
    assert (room.begun_at, room.ended_at, room.name) == (1e9, 1e9 + 5, "one")
    assert room.places == {one.workdir}
    assert node.resolve(one)[one.token].room == room


@pytest.mark.long
def test_a_receipt_that_was_cut_short_is_none_and_the_id_counts(node: HeadNode) -> None:
    """Tried at every byte."""
    node.send(first := node.submission("one"))
    written = (node.spool / first.token / "lock").read_bytes()
    cut = {f"c-{kept}": written[:kept] for kept in range(len(written))}
    for token, left in cut.items():
        (node.spool / token).mkdir()
        (node.spool / token / "lock").write_bytes(left)
    batch = [msgspec.structs.replace(first, token=token) for token in cut]
    node.ran()
    resolved, sent = node.resolve(*batch), node.send(*batch)
    assert {each.what for each in resolved.values()} == {"gone", "locked"}
    ids = {token: receipt.job_id for token, receipt in resolved.items()}
    assert ids == {token: "7" if b"\n7" in left else None for token, left in cut.items()}
    assert {(each.what, each.out) for each in sent.values()} == {("locked", ())}
    assert "sbatch" not in node.ran()


@pytest.mark.parametrize(
    ("files", "answer"),
    [
        ({"receipt": "done 0\n", "out": "7\n", "err": ""}, Accepted("7")),
        ({"receipt": "done 1\n", "out": "", "err": "sbatch: error: no\n"}, Refused("no")),
        ({"receipt": "refused\n", "err": "no directory\n"}, Refused("no directory")),
        ({"receipt": "withdrawn\n", "lock": "withdrawn\n"}, Deferred("it never arrived", at_once=True)),
        ({"out": "7\n", "err": ""}, Accepted("7")),
        ({"out": "", "err": ""}, Unclear("it was begun, and has no receipt yet")),
    ],
)
def test_rooms_of_an_earlier_runexpd_are_read(node: HeadNode, files: dict[str, str], answer: object) -> None:
    one = node.submission("one")
    lock = f"999999 1 {os.uname().nodename}\n{one.workdir}\none\n"
    node.room(one, **{"lock": lock, **files})
    (resolved,) = node.resolve(one).values()
    assert errors.answer(resolved) == answer
    sent = errors.answer(node.send(one)[one.token])
    assert sent == (answer if "receipt" in files else Unclear("it was begun, and has no receipt yet"))
    assert "sbatch" not in node.ran()
    times = (resolved.room.begun_at, resolved.room.ended_at)
    assert times == (1e9, 2e9 if "receipt" in files else None)


def test_ids_that_are_others_are_listed_whatever_their_rooms_are_like(node: HeadNode) -> None:
    new, old, gone = (node.submission(name) for name in ("8", "old", "gone"))
    node.send(new)
    node.room(old, lock="1 1 elsewhere\n/dir\n9\n", out="Submitted batch job 11\n")
    node.room(gone, lock="1 1 elsewhere\n/dir\n9\n")
    environment = {"HOME": str(node.home), "PATH": str(node.bin)}
    argv = commands.resolve([gone.token], commands.FIELDS)
    done = subprocess.run(
        [*node.shell, *argv[1:]],
        capture_output=True,
        text=True,
        env=environment | {"PATH": f"{node.bin}:{os.environ['PATH']}"},
    )
    listed = parse.sections(done.stdout)[commands.TAKEN].text
    assert {id for line in listed.splitlines() if (id := rooms.id_in(line))} == {"7", "11"}


def test_a_training_costs_nothing_more(node: HeadNode) -> None:
    assert errors.answer(node.send(node.training("a-1"), daemon=DAEMON)["a-1"]) == Accepted("7")
    assert node.ran() == {"sbatch": 1, "mkdir": 2, "rm": 1, "uname": 1}
    mark = node.home / "one" / "artifacts" / ".runexp"
    assert mark.read_text() == f"a-1\n{DAEMON}\n{mark}\nslurm\n\n7\n"


def _whose(node: HeadNode, *batch: Submission) -> dict[str, str]:
    for name in ("cat", "sort", "paste", "tr"):
        node.program(name, f'exec {shutil.which(name)} "$@"')
    before = sorted(node.home.rglob("*"))
    told = node.run(commands.taken(), commands.places(batch))
    assert set(node.home.rglob("*")) - set(before) <= {node.home / "asked", node.home / "ran"}
    return {token: " ".join(receipt.said) for token, receipt in told.items()}


def test_whose_jobs_train_there_is_told_with_two_questions_and_nothing_is_changed(node: HeadNode) -> None:
    for name in ("one", "two", "three"):
        at = msgspec.structs.replace(node.submission(name), token=f"a-{name}", results=f"{node.home}/{name}")
        node.send(at, daemon=DAEMON)
    (mark := node.home / "four" / ".runexp").parent.mkdir()
    mark.write_text(f"a-four\nx\n{mark}\nslurm\n\n")
    (node.home / "five").mkdir()
    queue = ["7\x1fRUNNING\x1f/copy", "8\x1fCOMPLETED\x1f/copy", "9\x1fPENDING\x1f/h/c-1/../../x"]
    node.queue(*queue, "11\x1fRUNNING\x1f/h/.runexp/a-four/../../x")
    node.ran()
    wanted = [
        msgspec.structs.replace(node.submission(name), token=f"b-{name}", results=f"{node.home}/{name}")
        for name in ("one", "two", "three", "four", "five")
    ]
    whose = _whose(node, *wanted)
    assert whose.keys() == {"b-one", "b-four"}
    assert f"/one is being trained into by job 7 of another daemon's, {DAEMON}: wait" in whose["b-one"]
    assert node.ran()["squeue"] == 2
    own = [msgspec.structs.replace(each, token=f"a-{each.token}") for each in wanted]
    assert _whose(node, *own) == {}
    assert node.ran()["squeue"] == 0


def test_a_queue_that_gives_no_answer_tells_nothing_of_who_trains_there(node: HeadNode) -> None:
    node.send(node.training("a-1"), daemon=DAEMON)
    node.queue("slurm_load_jobs error:", "Unable to contact slurm controller", exit_code=1)
    (said,) = _whose(node, node.training("b-1")).values()
    assert "can't be told: slurm_load_jobs error: Unable to contact" in said


@pytest.mark.parametrize(
    ("said", "exit_code", "kind", "stays"),
    [
        ("sbatch: error: Batch job submission failed: Invalid account", 1, Refused, False),
        (
            "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
            1,
            Unclear,
            True,
        ),
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller", 1, Deferred, True),
        ("", 137, Unclear, True),
    ],
)
def test_of_a_training_that_sbatch_refuses_no_mark_is_left(
    node: HeadNode, said: str, exit_code: int, kind: type, stays: bool
) -> None:
    """Where there may be a job it stays."""
    node.program("sbatch", f'echo "{said}" >&2; exit {exit_code}')
    assert isinstance(errors.answer(node.send(node.training("a-1"))["a-1"]), kind)
    assert (node.home / "one" / "artifacts" / ".runexp").exists() == stays


ROW = "{state}\x1f/home/.runexp/{token}/../../../x.slurm"


@pytest.mark.parametrize(
    ("row", "exit_code", "kind"),
    [
        (ROW.format(state="RUNNING", token="a-1"), 0, Refused),
        (ROW.format(state="PENDING", token="a-1"), 0, Refused),
        ("RUNNING\x1f/site/copy/of/script", 0, Refused),
        (ROW.format(state="COMPLETED", token="a-1"), 0, Accepted),
        (ROW.format(state="RUNNING", token="c-1"), 0, Accepted),
        ("", 0, Accepted),
        ("slurm_load_jobs error: Invalid job id specified", 1, Accepted),
        ("slurm_load_jobs error: Unable to contact slurm controller", 1, Deferred),
    ],
)
def test_one_that_another_daemon_trains_is_refused_until_it_is_over(
    node: HeadNode, row: str, exit_code: int, kind: type
) -> None:
    node.program("cat", f'exec {shutil.which("cat")} "$@"')
    node.send(node.training("a-1"), daemon=DAEMON)
    node.queue(row, exit_code=exit_code)
    answer = errors.answer(node.send(node.training("b-1"))["b-1"])
    assert isinstance(answer, kind), answer
    assert (node.home / "asked").read_text().startswith("-h -a -t all -j 7 -o ")
    if isinstance(answer, Refused):
        assert f"one/artifacts is being trained into by job 7 of another daemon's, {DAEMON}: " in answer.error
    mark = node.home / "one" / "artifacts" / ".runexp"
    assert mark.read_text().startswith("b-1\n" if kind is Accepted else "a-1\n")
    assert os.listdir(mark.parent) == [".runexp"]


@pytest.mark.parametrize(("age_seconds", "kind"), [(0, Deferred), (10_000, Accepted)])
def test_without_an_id_it_may_be_on_its_way_for_a_while(node: HeadNode, age_seconds: int, kind: type) -> None:
    node.program("cat", f'exec {shutil.which("cat")} "$@"')
    node.queue()
    mark = node.home / "one" / "artifacts" / ".runexp"
    mark.parent.mkdir(parents=True)
    mark.write_text(f"a-1\nx\n{mark}\nslurm\n\n")
    os.utime(mark, (time.time() - age_seconds,) * 2)
    assert isinstance(errors.answer(node.send(node.training("b-1"))["b-1"]), kind)


def test_a_job_of_the_embedded_scheduler_counts_while_it_is_under_way(node: HeadNode, tmp_path: Path) -> None:
    mark, record = node.home / "one" / "artifacts" / ".runexp", tmp_path / "record"
    mark.parent.mkdir(parents=True)
    record.mkdir()
    mark.write_text(f"a-1\nx\n{mark}\nlocal\n{record}\n")
    assert isinstance(errors.answer(node.send(node.training("b-1"))["b-1"]), Refused)
    (record / "end.json").touch()
    with mark.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert isinstance(errors.answer(node.send(node.training("b-2"))["b-2"]), Refused)
    assert isinstance(errors.answer(node.send(node.training("b-3"))["b-3"]), Accepted)


@pytest.mark.parametrize("odd", ["a FIFO", "a directory", "a link to nothing", "bytes", "a copy"])
def test_what_is_no_mark_keeps_nobody_from_training(node: HeadNode, odd: str) -> None:
    mark = node.home / "one" / "artifacts" / ".runexp"
    mark.parent.mkdir(parents=True)
    match odd:
        case "a FIFO":
            os.mkfifo(mark)
        case "a directory":
            mark.mkdir()
        case "a link to nothing":
            mark.symlink_to("nowhere")
        case "bytes":
            mark.write_bytes(b"\xff\0\n" * 100_000)
            os.utime(mark, (1e9, 1e9))
        case _:
            mark.write_text(f"a-1\nx\n{node.home}/last\nlocal\n{node.home}\n")
    assert isinstance(errors.answer(node.send(node.training("b-1"))["b-1"]), Accepted)
