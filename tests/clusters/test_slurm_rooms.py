"""What a submission leaves in its room and what it costs there, in each shell that may be a head node's sh."""

import os
import shutil
import subprocess

import msgspec
import pytest

from clusters.head_node import HeadNode
from runexpd.clusters.base import Accepted, Deferred, Refused, Unclear
from runexpd.clusters.slurm import commands, errors, parse, rooms


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
