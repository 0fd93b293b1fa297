"""Slurm as a cluster: the same promises on the fake and on the real one, over a real SSH."""

import os
import subprocess
from pathlib import Path

import anyio
import msgspec
import pytest

from fakes.slurm.sites import Site
from runexp.text import printable
from runexp.wire.states import Phase
from runexpd.clusters.base import Accepted, Deferred, Known, Refused, Submission, Unclear
from runexpd.clusters.slurm import cluster as slurm_cluster
from runexpd.clusters.slurm import commands, parse
from runexpd.clusters.slurm.cluster import SlurmCluster
from runexpd.experiments import outputs, sbatch
from runexpd.experiments.outputs import Start
from runexpd.tools import scripts


async def test_a_job_runs_where_and_as_it_should(site: Site) -> None:
    submission = site.submission("one", "pwd; echo $SLURM_JOB_NAME $SLURM_SUBMIT_DIR; umask")
    (answer,) = await site.send(submission)
    assert isinstance(answer, Accepted)
    report = await site.ended(submission.token)
    assert (report.state, report.exit_code, report.reason) == ("COMPLETED", "0:0", None)
    assert report.started_at is not None
    assert report.ended_at is not None
    assert 0 <= report.ended_at - report.started_at < 20
    output = (site.dir / f"slurm-{answer.slurm_job_id}.out").read_text().splitlines()
    assert output == [str(site.dir), f"one.slurm {site.dir}", f"{0o022:04o}"]


async def test_where_a_job_prints_can_be_told_once_it_has_a_node(site: Site) -> None:
    directives = "#SBATCH --output=%u-%N-%x-%j.out --error=%N-%j.err"
    submission = site.submission("one", "echo out; echo err >&2", directives)
    (answer,) = await site.send(submission)
    assert isinstance(answer, Accepted)
    report = await site.ended(submission.token)
    known = {"id": "a", "phase": Phase.OPTIMIZATION, "tool": "t", "run": "a"}
    job = scripts.spec(submission.script, Path(submission.script).read_text(), **known)
    printed = []
    for name in (await site.cluster.node_names([report.node]))[report.node]:
        start = Start(answer.slurm_job_id, report.user, name)
        paths = Path(outputs.output_of(job, start)), Path(outputs.error_of(job, start))
        printed += [path.read_text() for path in paths if path.exists()]
    assert printed == ["out\n", "err\n"]


async def test_a_directory_is_called_what_slurm_makes_of_it(site: Site) -> None:
    """Without `--output` what it is called is no pattern; with it, it is."""
    for number, directives in enumerate(("", "#SBATCH --output=%j.txt")):
        odd = site.submission(f"odd{number}", "echo there", directives, workdir=site.dir / "100%j")
        (answer,) = await site.send(odd)
        assert isinstance(answer, Accepted)
        await site.ended(odd.token)
        default = sbatch.default_path(odd.workdir, answer.slurm_job_id)
        named = sbatch.output_path("%j.txt", workdir=odd.workdir, job_id=answer.slurm_job_id, job_name="")
        assert os.path.exists(default) == (not directives)
        assert not os.path.exists(f"{odd.workdir}/{answer.slurm_job_id}.txt")
        assert named == f"{site.dir}/100{answer.slurm_job_id}/{answer.slurm_job_id}.txt"


async def test_a_script_finds_what_it_is_sent_with_and_no_other_does(site: Site) -> None:
    """A function of bash's, as sites give theirs for `module`: the script itself is as it was."""
    body = "inspect eval 'task.py'; inspect --version"
    function = """() { if [ "${1-}" != eval ]; then echo "it's $1"; return; fi; echo went on; }"""
    one, other = site.submission("one", body), site.submission("other", "type inspect || true")
    sent = msgspec.structs.replace(one, variable=f"BASH_FUNC_inspect%%={function}")
    answers = await site.send(sent, other)
    assert all(isinstance(answer, Accepted) for answer in answers)
    printed = []
    for submission, answer in zip((one, other), answers, strict=True):
        assert isinstance(answer, Accepted)
        await site.ended(submission.token)
        printed.append((site.dir / f"slurm-{answer.slurm_job_id}.out").read_text())
    assert printed[0] == "went on\nit's --version\n"
    assert "function" not in printed[1]


async def test_a_token_makes_one_job_however_often_it_is_sent(site: Site) -> None:
    submission = site.submission("one", "echo ran >>ran.txt")
    first = await site.send(submission)
    assert await site.send(submission) == first
    assert await site.send(submission, submission) == [first[0], first[0]]
    assert await site.resolve(submission) == first
    await site.ended(submission.token)
    assert (site.dir / "ran.txt").read_text() == "ran\n"


async def test_a_directory_is_trained_into_by_one_job_whoever_submits_it(site: Site) -> None:
    one = msgspec.structs.replace(site.submission("train", "sleep 60"), results=f"{site.dir}/artifacts")
    other = msgspec.structs.replace(
        one, token=f"{site.mark}b-1", script=site.submission("other", "true").script
    )
    (accepted,) = await site.send(one)
    assert isinstance(accepted, Accepted)
    (refused,) = await site.send(other)
    assert isinstance(refused, Refused)
    assert f"into by job {accepted.slurm_job_id} of another" in refused.error
    assert await site.resolve(other) == [refused]
    await site.cluster.cancel([site.known[one.token]])
    await site.ended(one.token)
    (answer,) = await site.send(msgspec.structs.replace(other, token=f"{site.mark}b-2"))
    assert isinstance(answer, Accepted)


async def test_exit_codes(site: Site) -> None:
    submission = site.submission("seven", "exit 7")
    await site.send(submission)
    report = await site.ended(submission.token)
    assert (report.state, report.exit_code) == ("FAILED", "7:0")


async def test_what_is_kept_of_a_submission_goes_when_nobody_needs_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "PIECE", 1)  # much goes in parts
    gone, stays = site.submission("gone", "true"), site.submission("stays", "true")
    await site.send(gone, stays)
    for each in (gone, stays):
        await site.ended(each.token)
    beside = site.spool / "not a token"
    beside.mkdir()
    assert {gone.token, stays.token} <= set(await site.cluster.kept())
    await site.cluster.forget(["e9-404", gone.token, "../..", beside.name])
    kept = set(await site.cluster.kept())
    assert stays.token in kept
    assert gone.token not in kept
    assert beside.name not in kept
    assert beside.exists()
    beside.rmdir()
    assert await site.resolve(stays) == [Accepted(site.known[stays.token].slurm_job_id)]


@pytest.mark.long
async def test_twenty_thousand_jobs_are_one_round(site: Site) -> None:
    """More ids than one command line can hold; of all but one nothing is known, which is no news yet."""
    submission = site.submission("one", "exit 0", "#SBATCH --hold")
    await site.send(submission)
    waiting = site.known[submission.token]
    others = [Known(str(5_000_000 + n), f"e9-{n}") for n in range(20_000)]
    (report,) = await site.cluster.query([*others, waiting])
    assert (report.token, report.state) == (submission.token, "PENDING")
    await site.cluster.cancel([*others, waiting])
    assert (await site.ended(submission.token)).state == "CANCELLED"


#: Half a second of work, and 200 MB held until it was looked at.
WORK = """python3 - <<'end'
import time
held, until = b"x" * 200_000_000, time.process_time() + 0.5
while time.process_time() < until: pass
time.sleep(6)
end"""


async def test_an_ended_job_tells_what_it_used(site: Site) -> None:
    submission = site.submission("used", WORK, "#SBATCH --time=2\n#SBATCH --gres=gpu:2")
    await site.send(submission)
    usage = (await site.ended(submission.token)).usage
    assert usage is not None
    assert (usage.time_limit_seconds, usage.gpus) == (120.0, 2)
    assert usage.cpus is not None
    assert usage.cpus >= 1
    assert usage.cpu_seconds is not None
    assert 0.4 < usage.cpu_seconds < 5
    # Where none was asked for it is the node's; 20.11 names none.
    assert usage.memory_bytes in (64000 << 20, None)
    assert usage.peak_memory_bytes is not None
    assert 2e8 < usage.peak_memory_bytes < 4e8


async def test_a_refused_one_stops_no_other(site: Site) -> None:
    good, last = site.submission("good", "true"), site.submission("last", "true")
    bad = site.submission("bad", "true")
    Path(bad.script).write_text("echo no interpreter\n")
    gone = Submission(
        token=site.token("gone"), script=f"{site.dir}/none.slurm", workdir=str(site.dir), name="none"
    )
    lost = Submission(
        token=site.token("lost"), script=good.script, workdir=f"{site.dir}/nowhere", name="lost"
    )
    answers = await site.send(good, bad, gone, lost, last)
    assert [type(answer) for answer in answers] == [Accepted, Refused, Refused, Refused, Accepted]
    assert isinstance(answers[1], Refused)
    assert answers[1].error.startswith(
        "This does not look like a batch script. The first line must start with #!"
    )
    assert "Unable to open file" in str(answers[2])
    assert "nowhere" in str(answers[3])


async def test_many_in_one_go(site: Site) -> None:
    batch = [site.submission(f"n{number}", "true") for number in range(12)]
    ids = [int(answer.slurm_job_id) for answer in await site.send(*batch) if isinstance(answer, Accepted)]
    assert len(ids) == 12
    assert ids == sorted(set(ids))


ODD = 'it\'s a "dir" $(touch hacked) `touch hacked` *; touch hacked #\\'


async def test_odd_names_reach_no_shell(site: Site) -> None:
    submission = site.submission("an odd 'name'", "echo $SLURM_JOB_NAME", workdir=site.dir / ODD)
    (answer,) = await site.send(submission)
    assert isinstance(answer, Accepted)
    await site.ended(submission.token)
    output = site.dir / ODD / f"slurm-{answer.slurm_job_id}.out"
    assert output.read_text() == "an odd 'name'.slurm\n"
    assert not list(site.dir.rglob("hacked"))


async def test_the_script_can_be_found_from_the_job(site: Site) -> None:
    """As scripts do it that want to know where they lie: by scontrol's Command."""
    submission = site.submission("one", "scontrol show job $SLURM_JOB_ID | grep -o Command=.*")
    (answer,) = await site.send(submission)
    assert isinstance(answer, Accepted)
    await site.ended(submission.token)
    command = (site.dir / f"slurm-{answer.slurm_job_id}.out").read_text().strip().removeprefix("Command=")
    assert submission.token in command
    assert Path(command).samefile(submission.script)


async def test_the_job_name_of_the_script_stands(site: Site) -> None:
    submission = site.submission("one", "echo $SLURM_JOB_NAME", '#SBATCH --job-name="my own name"')
    submission = Submission(
        token=submission.token, script=submission.script, workdir=submission.workdir, name="my own name"
    )
    (answer,) = await site.send(submission)
    assert isinstance(answer, Accepted)
    await site.ended(submission.token)
    assert (site.dir / f"slurm-{answer.slurm_job_id}.out").read_text() == "my own name\n"


async def test_directories_for_outputs_are_made(site: Site) -> None:
    one = site.submission("one", "echo there", "#SBATCH --output=out/deep/%j.txt")
    one = Submission(
        token=one.token,
        script=one.script,
        workdir=one.workdir,
        name=one.name,
        output_dirs=(f"{site.dir}/out/deep",),
    )
    (answer,) = await site.send(one)
    assert isinstance(answer, Accepted)
    assert (await site.ended(one.token)).state == "COMPLETED"
    assert (site.dir / "out/deep" / f"{answer.slurm_job_id}.txt").read_text() == "there\n"


async def test_a_directory_to_run_in_is_never_made(site: Site) -> None:
    good, bad = site.submission("good", "true"), site.submission("bad", "true", "#SBATCH --chdir=typo")
    typo = f"{site.dir}/typo MaxSubmit"
    bad = msgspec.structs.replace(bad, chdir=typo, output_dirs=(f"{typo}/logs", typo))
    refused = Refused(f"--chdir={typo}: no such directory; Slurm would run the job in /tmp")
    answers = await site.send(bad, good)
    assert answers[0] == refused
    assert isinstance(answers[1], Accepted)
    assert not os.path.lexists(typo)
    assert await site.send(bad) == await site.resolve(bad) == [refused], "its receipt says so"


@pytest.mark.parametrize("where", ["run/logs", "run/a/deep er/one", "run/linked/logs", "other/logs"])
async def test_directories_for_outputs_are_made_below_where_the_job_is(site: Site, where: str) -> None:
    one = site.submission("one", "true", workdir=site.dir / "run")
    site.submission("other", "true", workdir=site.dir / "other")
    (site.dir / "run" / "linked").symlink_to(site.dir / "run")
    one = msgspec.structs.replace(one, chdir=f"{site.dir}/other", output_dirs=(f"{site.dir}/{where}",))
    (answer,) = await site.send(one)
    assert isinstance(answer, Accepted)
    assert os.path.isdir(f"{site.dir}/{where}")


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("elsewhere", "is made only below the work directory"),
        ("elsewhere/deep", "is made only below the work directory"),
        ("run/../elsewhere", "is made only below the work directory"),
        ("run/new/../../elsewhere", "is made only below the work directory"),
        ("run/out/elsewhere", "is made only below the work directory"),
        ("run2", "is made only below the work directory"),
        ("r*/logs", "is made only below the work directory"),
        ("run/file", "is not a directory"),
        ("run/file/logs", "is not a directory"),
        ("run/nowhere/logs", "is not a directory"),
    ],
)
async def test_directories_for_outputs_are_made_nowhere_else(site: Site, where: str, why: str) -> None:
    one = site.submission("one", "true", workdir=site.dir / "run")
    run = site.dir / "run"
    (run / "file").touch()
    (run / "nowhere").symlink_to("/none/at/all")
    (run / "out").symlink_to(site.dir)
    before = sorted(site.dir.glob("*")), sorted(run.glob("*"))
    one = msgspec.structs.replace(one, output_dirs=(f"{site.dir}/{where}",))
    (answer,) = await site.send(one)
    assert isinstance(answer, Refused)
    assert why in answer.error
    assert (sorted(site.dir.glob("*")), sorted(run.glob("*"))) == before


ODD_PATHS: list[dict[str, object]] = [
    {"script": "/a\0b"},
    {"script": "/a\nb.slurm"},
    {"script": "/\ud800.slurm"},
    {"script": "/r\udcffn/finetune.slurm"},
    {"workdir": "/a\0b"},
    {"workdir": "/a\x1fb"},
    {"workdir": "/a\x1cb"},
    {"workdir": "/\x1b[2Jb"},
    {"workdir": "/" + "x" * 300},
    {"workdir": "/x" * 3000},
    {"chdir": "/a\0b"},
    {"chdir": "/\ud800"},
    {"chdir": "/" + "'" * 4000},
    {"output_dirs": ("/a\0b",)},
    {"output_dirs": ("/fine", "/x" * 3000)},
]


async def test_paths_that_slurms_commands_can_not_be_given_are_refused_alone(site: Site) -> None:
    good = [site.submission(f"good{number}", "true") for number in range(2)]
    bad = [
        msgspec.structs.replace(site.submission(f"bad{number}", "true"), **changes)
        for number, changes in enumerate(ODD_PATHS)
    ]
    answers = await site.send(good[0], *bad, good[1])
    assert {type(answer) for answer in answers[1:-1]} == {Refused}
    assert [type(answer) for answer in (answers[0], answers[-1])] == [Accepted, Accepted]
    for answer in answers[1:-1]:
        assert isinstance(answer, Refused)
        assert answer.error == printable(answer.error)
        assert len(answer.error) < 500


async def test_a_name_that_no_command_can_be_given_is_left_to_the_script(site: Site) -> None:
    names = ["a\0b", "\ud800", "a\nb", "x" * 5000]
    batch = [
        msgspec.structs.replace(site.submission(f"n{number}", "true"), name=name)
        for number, name in enumerate(names)
    ]
    assert {type(answer) for answer in await site.send(*batch)} == {Accepted}


async def test_long_paths_go_in_as_many_commands_as_they_need(site: Site) -> None:
    deep = site.dir / "/".join(["d" * 200] * 10)
    deep.mkdir(parents=True)
    for made in (deep, *deep.parents):
        if made.is_relative_to(site.dir):
            site.give(made)
    batch = [site.submission(f"n{number}", "true", workdir=deep) for number in range(24)]
    long = [msgspec.structs.replace(each, chdir=str(deep), output_dirs=(str(deep),)) for each in batch]
    answers = await site.send(*long)
    assert {type(answer) for answer in answers} == {Accepted}
    assert len(list(commands.batches(long))) > 1


async def test_a_sites_defaults_are_for_what_a_script_leaves_open(site: Site) -> None:
    site.cluster = SlurmCluster("test", site.host, {"partition": "nope"})
    open_one = site.submission("open", "true")
    own = site.submission("own", "true", "#SBATCH --partition=main")
    own = Submission(
        token=own.token, script=own.script, workdir=own.workdir, name=own.name, directives=("partition",)
    )
    refused, accepted = await site.send(open_one, own)
    assert isinstance(refused, Refused)
    assert "invalid partition specified: nope" in refused.error
    assert isinstance(accepted, Accepted)


async def test_what_never_arrived_never_will(site: Site) -> None:
    submission = site.submission("one", "echo ran >>ran.txt")
    (resolved,) = await site.resolve(submission)
    assert isinstance(resolved, Deferred)
    (late,) = await site.send(submission)
    assert isinstance(late, Deferred)
    assert not (site.dir / "ran.txt").exists()


async def test_without_its_receipt_it_is_found_in_the_queue_or_in_accounting(site: Site) -> None:
    running, over = site.submission("running", "sleep 60"), site.submission("over", "true")
    sent = await site.send(running, over)
    await site.ended(over.token)
    for submission in (running, over):
        site.lose_receipt(submission)
    assert await site.resolve(running, over) == sent
    await site.cluster.cancel(list(site.known.values()))


async def test_what_sbatch_said_before_the_receipt_was_written_counts(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parse, "queue", lambda text: [])
    monkeypatch.setattr(parse, "accounting", lambda text: [])
    submission = site.submission("one", "true")
    sent = await site.send(submission)
    lock = site.spool / submission.token / "lock"
    said, receipt, _ = lock.read_text().rpartition("\n\x1e")
    assert receipt
    for torn in ("", "\n", "\n\x1e", "\n\x1edone 1"):
        lock.write_text(said + torn)
        assert await site.resolve(submission) == sent


async def test_a_site_without_submit_line_finds_it_by_directory_name_and_time(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "FIELDS", commands.FIELDS[:-1])
    site.cluster = SlurmCluster("test", site.host)
    monkeypatch.setattr(parse, "queue", lambda text: [])
    one = site.submission("one", "true")
    twins = [msgspec.structs.replace(one, token=site.token(name)) for name in ("first", "second")]
    other = site.submission("other", "true", workdir=site.dir / "elsewhere")
    sent = await site.send(one, *twins, other)
    for submission in (one, twins[0], twins[1], other):
        await site.until(submission.token, ["COMPLETED"])
    for lost in (one, other):
        site.lose_receipt(lost)
    with anyio.fail_after(20):  # `sacct -S` lags by up to 5 s
        found = await site.resolve(one, other)
        while any(isinstance(answer, Unclear) for answer in found):
            await anyio.sleep(0.5)
            found = await site.resolve(one, other)
    assert found == [sent[0], sent[3]], "the twins' ids are in their receipts"
    site.lose_receipt(twins[0])
    (unsure,) = await site.resolve(one)
    assert isinstance(unsure, Unclear)
    assert "it may be any of the jobs" in unsure.reason


async def test_what_left_no_trace_is_unclear_at_first_and_later_never_was(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = site.submission("dead", "true")
    site.leave_a_lock(submission)
    assert [type(answer) for answer in await site.resolve(submission)] == [Unclear]
    assert [type(answer) for answer in await site.resolve(submission)] == [Unclear]
    monkeypatch.setattr(slurm_cluster, "GRACE_SECONDS", 0.0)
    assert [type(answer) for answer in await site.resolve(submission)] == [Deferred]


async def test_where_no_lock_can_be_made_nothing_is_sure(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_cluster, "GRACE_SECONDS", 0.0)
    submission, first = site.submission("one", "true"), site.submission("first", "true")
    await site.send(first)
    (site.spool / submission.token).write_text("in the way of its directory")
    (answer,) = await site.send(submission)
    assert isinstance(answer, Deferred)
    (resolved,) = await site.resolve(submission)
    assert isinstance(resolved, Unclear)
    assert "can not be written to" in resolved.reason


async def test_an_sbatch_that_outlived_its_shell_is_waited_for(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_cluster, "GRACE_SECONDS", 0.0)
    submission = site.submission("slow", "true")
    site.leave_a_lock(submission)
    with subprocess.Popen(["sh", "-c", "read line", f"x/{submission.token}/y"], stdin=subprocess.PIPE):
        assert [type(answer) for answer in await site.resolve(submission)] == [Unclear]
    assert [type(answer) for answer in await site.resolve(submission)] == [Deferred]


async def test_cancel(site: Site) -> None:
    one, other = site.submission("one", "sleep 60"), site.submission("other", "sleep 60")
    await site.send(one, other)
    await site.until(one.token, ["RUNNING"])
    id = site.known[one.token].slurm_job_id
    await site.cluster.cancel([Known(id, "another-token")])
    assert (await site.until(one.token, ["RUNNING"])).state == "RUNNING"
    await site.cluster.cancel([site.known[one.token]])
    report = await site.ended(one.token)
    assert (report.state, report.exit_code) == ("CANCELLED", "0:0")
    assert (await site.until(other.token, ["RUNNING"])).state == "RUNNING"
    await site.cluster.cancel([site.known[other.token]])
    await site.ended(other.token)
    await site.cluster.cancel([site.known[one.token], Known("987654", "nobody's")])


async def test_why_it_is_pending(site: Site) -> None:
    held = site.submission("held", "true", "#SBATCH --hold")
    await site.send(held)
    report = await site.until(held.token, ["PENDING"])
    assert (report.reason, report.final, report.started_at) == ("JobHeldUser", False, None)
    await site.cluster.cancel([site.known[held.token]])
    assert (await site.ended(held.token)).state == "CANCELLED"


async def test_a_stranger_with_the_same_id_is_no_news(site: Site) -> None:
    submission = site.submission("one", "sleep 1")
    (answer,) = await site.send(submission)
    assert isinstance(answer, Accepted)
    stranger = Known(answer.slurm_job_id, "another-token")
    assert await site.cluster.query([stranger, Known("987654", "unknown")]) == []
    await site.ended(submission.token)
    assert await site.cluster.query([stranger]) == []
