"""A directory is trained into by one job at a time, whichever cluster's it is, in each shell that may be a head node's sh."""

import fcntl
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import msgspec
import pytest

from clusters.head_node import DAEMON, HeadNode
from fakes.slurm.sites import Site
from runexpd.clusters.base import Accepted, Deferred, Refused, Submission, Unclear
from runexpd.clusters.local import marks
from runexpd.clusters.slurm import commands, errors

#: Of a submission, where there were some before.
COST = Counter(["sbatch", "mkdir", "rm", "uname"])


def test_a_training_costs_nothing_more_once_the_clusters_name_is_known(node: HeadNode) -> None:
    assert errors.answer(node.send(node.training("a-1"), daemon=DAEMON)["a-1"]) == Accepted("7")
    assert node.ran() == COST + Counter(["mkdir", "timeout", "scontrol"])
    assert node.mark.read_text() == f"a-1\n{DAEMON}\n{node.mark}\nslurm\nhere\n7\n"
    shutil.rmtree(node.mark.parent)
    node.send(node.training("a-2"))
    assert node.ran() == COST


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


def test_what_another_has_made_since_is_looked_at_before_it_is_trained_over(node: HeadNode) -> None:
    node.program("cat", f'exec {shutil.which("cat")} "$@"')
    node.queue()
    node.send(node.training("a-1"), daemon=DAEMON)
    late = msgspec.structs.replace(node.training("b-1"), looked_at=time.time() - 30)
    (made := node.mark.parent / "epoch_0").mkdir()
    (made / "model").touch()
    os.utime(made, (0, 0))  # written over what was there
    answer = errors.answer(node.send(late)["b-1"])
    assert isinstance(answer, Refused)
    assert (
        f"/one/artifacts was trained into by job 7 of another daemon's, {DAEMON}: and it is" in answer.error
    )
    assert (
        "`runexp run` takes up what lies there, and where that is no good `runexp retry` makes"
        in answer.error
    )
    assert node.mark.read_text().startswith("a-1\n")
    os.utime(made / "model", (time.time() - 60,) * 2)
    assert isinstance(errors.answer(node.send(msgspec.structs.replace(late, token="b-2"))["b-2"]), Accepted)
    os.utime(made / "model")
    own = msgspec.structs.replace(late, token="b-3")
    assert isinstance(errors.answer(node.send(own)["b-3"]), Accepted)


def test_what_lies_behind_a_link_is_looked_at_too(node: HeadNode) -> None:
    node.program("cat", f'exec {shutil.which("cat")} "$@"')
    node.queue()
    (disk := node.home / "disk").mkdir()
    node.mark.parent.parent.mkdir(exist_ok=True)
    node.mark.parent.symlink_to(disk)
    node.send(node.training("a-1"), daemon=DAEMON)
    (disk / "epoch_0").mkdir()
    (disk / "epoch_0" / "model").touch()
    late = msgspec.structs.replace(node.training("b-1"), looked_at=time.time() - 30)
    answer = errors.answer(node.send(late)["b-1"])
    assert isinstance(answer, Refused)
    assert "/one/artifacts was trained into by job 7" in answer.error


def test_what_we_put_there_ourselves_is_not_anothers(node: HeadNode) -> None:
    node.program("cat", f'exec {shutil.which("cat")} "$@"')
    node.queue()
    node.send(node.training("a-1"), daemon=DAEMON)
    (moved := node.mark.parent / "aside-e1-1" / "epoch_0").mkdir(parents=True)
    (moved / "model").touch()
    (node.mark.parent / "logs" / "wandb").mkdir(parents=True)
    late = msgspec.structs.replace(node.training("b-1"), looked_at=time.time() - 30)
    assert isinstance(errors.answer(node.send(late)["b-1"]), Accepted)


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


def _far(node: HeadNode, where: str = "far", id: str = "7") -> None:
    """A mark of another cluster's job, an hour old."""
    node.program("cat", f'exec {shutil.which("cat")} "$@"')
    node.mark.parent.mkdir(parents=True)
    node.mark.write_text(f"a-1\nx\n{node.mark}\nslurm\n{where}\n{id}\n")
    os.utime(node.mark, (time.time() - 3600,) * 2)


@pytest.mark.parametrize(("where", "id"), [("far", "7"), ("", "7;far"), ("here", "7;far"), ("far", "")])
def test_another_clusters_job_counts_until_a_person_says_that_it_is_over(
    node: HeadNode, where: str, id: str
) -> None:
    """This one's queue doesn't know it, or knows its number as another job's."""
    _far(node, where, id)
    node.queue("slurm_load_jobs error: Invalid job id specified", exit_code=1)
    answer = errors.answer(node.send(node.training("b-1"))["b-1"])
    assert isinstance(answer, Refused)
    assert "or was, on the cluster far, for this one, here, can't tell whether that is over." in answer.error
    assert f"Ask there (`sacct -j {id[:1] or '...'}`), and once it is, remove {node.mark}; " in answer.error
    assert node.mark.read_text().startswith("a-1\n")
    assert list(_whose(node, node.training("b-2")).values()) == [answer.error]
    node.mark.unlink()
    assert isinstance(errors.answer(node.send(node.training("b-3"))["b-3"]), Accepted)


def test_another_clusters_submission_may_be_on_its_way_for_a_while(node: HeadNode) -> None:
    _far(node, id="")
    os.utime(node.mark)
    assert isinstance(errors.answer(node.send(node.training("b-1"))["b-1"]), Deferred)


@pytest.mark.parametrize(("named", "kind"), [("far", Deferred), ("", Accepted)])
def test_where_no_name_is_to_be_had_only_marks_without_one_are_told(
    node: HeadNode, named: str, kind: type
) -> None:
    _far(node, named)
    node.cluster("")
    node.queue("slurm_load_jobs error: Invalid job id specified", exit_code=1)
    answer = errors.answer(node.send(node.training("b-1"))["b-1"])
    assert isinstance(answer, kind)
    if isinstance(answer, Deferred):
        assert "on the cluster far, and whether this is that one can't be told: `scontrol" in answer.reason
    else:
        assert node.mark.read_text().split("\n")[3:] == ["slurm", "", "7", ""]


def _later(node: HeadNode) -> None:
    kept = next(node.spool.glob(".cluster-*"))
    asked, since, name = kept.read_text().splitlines()
    kept.write_text(f"{asked}\n{int(since) - 90_000}\n{name}\n")


def _cut(node: HeadNode) -> None:
    kept = next(node.spool.glob(".cluster-*"))
    kept.write_bytes(kept.read_bytes()[:-2])


def _reached_otherwise(node: HeadNode) -> None:
    node.environment["SLURM_CONF"] = "/moved"


def _written_anew(node: HeadNode) -> None:
    conf = node.home / "slurm.conf"
    node.environment["SLURM_CONF"] = str(conf)
    node.send(node.training("a-9"))
    conf.touch()
    kept = next(node.spool.glob(".cluster-*"))
    kept.write_text(kept.read_text().replace("moved", "here"))
    os.utime(kept, (1e9, 1e9))


def _by_another_host(node: HeadNode) -> None:
    node.program("uname", "echo elsewhere")


def _rebooted(node: HeadNode) -> None:
    """Or another machine of the same name."""
    kept = next(node.spool.glob(".cluster-*"))
    kept.write_text("0" + kept.read_text())


CHANGES = [_later, _cut, _reached_otherwise, _written_anew, _by_another_host, _rebooted]


@pytest.mark.parametrize("change", CHANGES)
def test_a_clusters_name_is_asked_anew_when_it_may_have_changed(
    node: HeadNode, change: Callable[[HeadNode], None]
) -> None:
    node.send(node.training("a-1"))
    node.cluster("moved")
    node.send(node.training("a-2"))
    assert node.mark.read_text().split("\n")[4] == "here"
    change(node)
    node.send(node.training("a-3"))
    assert node.mark.read_text().split("\n")[4] == "moved"


def test_of_several_clusters_that_are_named_the_first_counts_until_sbatch_says_which(node: HeadNode) -> None:
    node.program("scontrol", "echo 'ClusterName = here'; echo 'ClusterName = far'")
    node.send(node.training("a-1"))
    assert node.mark.read_text().split("\n")[3:] == ["slurm", "here", "7", ""]


def test_clusters_that_one_host_reaches_are_asked_once_each(node: HeadNode) -> None:
    node.program("scontrol", 'echo "ClusterName = ${SLURM_CLUSTERS:-here}"')
    names = []
    for number, named in enumerate(["", "far", "", "far"]):
        node.environment["SLURM_CLUSTERS"] = named
        node.send(node.training(f"a-{number}"))
        names.append(node.mark.read_text().split("\n")[4])
    assert names == ["here", "far", "here", "far"]
    assert node.ran()["scontrol"] == 2


def test_a_clusters_name_that_can_not_be_asked_anew_is_the_old_one(node: HeadNode) -> None:
    node.send(node.training("a-1"))
    node.cluster("")
    _later(node)
    node.send(node.training("a-2"))
    assert node.mark.read_text().split("\n")[4] == "here"


def test_where_no_name_is_to_be_had_not_every_submission_waits_for_one(node: HeadNode) -> None:
    node.program("scontrol", "exit 1")
    for number in range(3):
        node.send(node.training(f"a-{number}"))
    assert node.mark.read_text().split("\n")[4] == ""
    assert node.ran()["scontrol"] == 1


def test_a_cluster_that_sbatch_names_is_the_jobs(node: HeadNode) -> None:
    node.program("sbatch", "echo '8;far'")
    assert errors.answer(node.send(node.training("a-1"))["a-1"]) == Accepted("8")
    assert node.mark.read_text().split("\n")[4:] == ["here", "8;far", ""]


def test_one_that_can_not_be_read_is_asked_about_later(node: HeadNode) -> None:
    _far(node)
    node.program("head", "echo \"head: cannot open '$3' for reading: Permission denied\" >&2; exit 1")
    answer = errors.answer(node.send(node.training("b-1"))["b-1"])
    assert isinstance(answer, Deferred)
    assert answer.alone
    assert f"{node.mark} can't be read: Permission denied. Ask whose it is (`ls -l`)" in answer.reason
    assert list(_whose(node, node.training("b-2")).values()) == [answer.reason]
    assert node.mark.read_text().startswith("a-1\n")


def test_one_without_a_word_is_about_to_be_written(node: HeadNode) -> None:
    node.mark.parent.mkdir(parents=True)
    node.mark.touch()
    assert isinstance(errors.answer(node.send(node.training("b-1"))["b-1"]), Deferred)
    os.utime(node.mark, (1e9, 1e9))
    assert isinstance(errors.answer(node.send(node.training("b-2"))["b-2"]), Accepted)


def test_who_is_about_to_take_over_is_not_disturbed(node: HeadNode) -> None:
    _far(node, "here")
    node.queue("slurm_load_jobs error: Invalid job id specified", exit_code=1)
    (following := node.mark.parent / ".runexp.next").touch()
    answer = errors.answer(node.send(node.training("b-1"))["b-1"])
    assert isinstance(answer, Deferred)
    assert f"if nobody is, and {following} stays, remove that" in answer.reason
    following.unlink()
    assert isinstance(errors.answer(node.send(node.training("b-2"))["b-2"]), Accepted)
    assert not following.exists()


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("old", [True, False])
def test_of_three_who_come_between_each_other_anywhere_one_takes_over(node: HeadNode, old: bool) -> None:
    """From start to end, before any two programs that the first one runs."""
    _busy(node)
    turns = list(combinations(range(1, _programs(node, old) + 2), 2))
    assert len(turns) >= 10
    for number, (first, second) in enumerate(turns):
        _leave(node, number, old)
        between = {step: node.training(f"i{step}-{number}") for step in (first, second)}
        node.interrupt(between)
        answers = node.send(node.training(f"a-{number}")) | node.told()
        owners = [token for token, each in answers.items() if isinstance(errors.answer(each), Accepted)]
        assert owners == [node.mark.read_text().split("\n")[0]], (first, second)
        assert os.listdir(node.mark.parent) == [".runexp"]


def _programs(node: HeadNode, old: bool) -> int:
    """That take part in a submission."""
    node.send(node.training("p-0"))
    _leave(node, 0, old)
    node.ran()
    node.send(node.training("q-0"))
    return node.ran().total()


def _busy(node: HeadNode) -> None:
    """Whatever the queue is asked for, it has it."""
    node.program("squeue", "printf 'RUNNING\\037/copy\\n'")
    node.program("cat", f'exec {shutil.which("cat")} "$@"')


@pytest.mark.long
def test_of_many_who_take_over_at_once_one_does(node: HeadNode) -> None:
    """Those of this machine among them; tried many times."""
    _busy(node)
    node.send(node.training("a-0"))
    for turn in range(25):
        _leave(node, turn, bool(turn % 3))
        with ThreadPoolExecutor(20) as pool:
            of = {f"{'s' if number % 2 else 'l'}{number}-{turn}": number % 2 for number in range(20)}
            done = pool.map(lambda token: _taken_over(node, token, bool(of[token])), of)  # noqa: B023
            owners = [token for token, taken in zip(of, done, strict=True) if taken]
        assert owners == [node.mark.read_text().split("\n")[0]]
        assert os.listdir(node.mark.parent) == [".runexp"]


def _leave(node: HeadNode, turn: int, old: bool) -> None:
    """A mark of a job that is over, or none."""
    node.mark.unlink(missing_ok=True)
    if old:
        node.mark.write_text(f"o-{turn}\nx\n{node.mark}\nlocal\n/nowhere\n")
        os.utime(node.mark, (1e9, 1e9))


def _taken_over(node: HeadNode, token: str, by_slurm: bool) -> bool:
    if by_slurm:
        return isinstance(errors.answer(node.send(node.training(token))[token]), Accepted)
    try:
        return marks.take(marks.Mark(token, "l:/home", str(node.mark), "local", f"/nowhere/{token}"))
    except (marks.Taken, marks.Unsure):
        return False


async def test_what_another_daemons_job_has_made_since_is_looked_at_first(site: Site) -> None:
    looked_at = time.time()
    one = msgspec.structs.replace(
        site.submission("train", "mkdir artifacts/epoch_0; touch artifacts/epoch_0/model"),
        results=f"{site.dir}/artifacts",
    )
    assert isinstance((await site.send(one))[0], Accepted)
    await site.ended(one.token)
    assert (site.dir / "artifacts" / "epoch_0").is_dir()
    late = msgspec.structs.replace(one, token=f"{site.mark}b-1", looked_at=looked_at)
    (refused,) = await site.send(late)
    assert isinstance(refused, Refused)
    assert f"was trained into by job {site.known[one.token].slurm_job_id} of another" in refused.error
    now = msgspec.structs.replace(late, token=f"{site.mark}b-2", looked_at=time.time() + 60)
    assert isinstance((await site.send(now))[0], Accepted)
    await site.ended(now.token)


FAR = {
    "scontrol": "echo 'ClusterName             = far'",
    "squeue": "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1",
}


async def test_a_cluster_that_shares_the_file_system_leaves_anothers_job_alone(site: Site) -> None:
    """Not even by a home that both share."""
    one = msgspec.structs.replace(site.submission("train", "sleep 60"), results=f"{site.dir}/artifacts")
    (accepted,) = await site.send(one)
    assert isinstance(accepted, Accepted)
    (bin := site.dir / "far").mkdir()
    for name, body in FAR.items():
        (bin / name).write_text(f"#!/bin/sh\n{body}\n")
        (bin / name).chmod(0o755)
    site.give(bin)
    site.behind(prepend=[f"export PATH={bin}:$PATH"])
    other = msgspec.structs.replace(one, token=f"{site.mark}b-1")
    (refused,) = await site.send(other)
    assert isinstance(refused, Refused)
    name = (site.dir / "artifacts" / ".runexp").read_text().split("\n")[4]
    assert name in ("fake", "test")
    said = f"on the cluster {name}, for this one, far, can't tell whether that is over. Ask there (`sacct -j {accepted.slurm_job_id}`)"
    assert said in refused.error
    assert await site.cluster.taken([other]) == {other.token: refused.error}
    site.behind()
    await site.cluster.cancel([site.known[one.token]])
    await site.ended(one.token)
    (answer,) = await site.send(msgspec.structs.replace(other, token=f"{site.mark}b-2"))
    assert isinstance(answer, Accepted)
    await site.cluster.cancel([site.known[f"{site.mark}b-2"]])
