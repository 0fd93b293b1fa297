"""What Slurm prints, with everything in it that a directory's or a job's name may hold: no row is cut, none is made up."""

import subprocess

import pytest

from runexp.text import printable
from runexpd.clusters.base import Accepted, Deferred, Refused, Unclear
from runexpd.clusters.slurm import errors, parse, rooms
from runexpd.clusters.slurm.parse import US
from runexpd.clusters.slurm.rooms import RS

#: All at which str.splitlines cuts, and a line feed doesn't end.
CUTS = ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "a\rb"]


def queued_row(
    state: str = "RUNNING", reason: str = "None", command: str = "/x", workdir: str = "/", name: str = "n"
) -> str:
    return US.join(["7", state, reason, "100", "90", "me", "n/a", workdir, command, name])


def accounted(workdir: str, id: str = "7") -> str:
    facts = ["COMPLETED", "0:0", "100", "160", "me", "90", "train", workdir]
    return US.join([id, *facts, "2", "4", "", "01:30", "8G", "node1", "", f"sbatch {workdir}/.runexp/t1/x"])


def test_a_node_has_the_names_of_its_hosts_and_a_line_that_is_none_says_nothing() -> None:
    text = "vm.site sn1\nvm.site sn1\nother sn2\n\nx\na b c\n"
    assert parse.node_hosts(text) == {"sn1": ["vm.site", "vm.site"], "sn2": ["other"]}


@pytest.mark.parametrize("cut", CUTS)
def test_a_row_ends_at_a_line_feed_alone(cut: str) -> None:
    command = f"/exp/a{cut}b/finetune.slurm"
    (queued,) = parse.queue(f"{queued_row(command=command, workdir=command, name=f'a{US}{cut}b')}\n")
    assert (queued.id, queued.command, queued.workdir, queued.name) == ("7", command, command, f"a{US}{cut}b")
    (row,) = parse.accounting(f"{accounted(f'/a{cut}b')}\n")
    assert row.workdir == f"/a{cut}b"
    text = f"==accounting\n{accounted(f'/a{cut}b')}\n==end 0\n==queue\nx{cut}==end 1\n==end 0\n"
    found = parse.sections(text)
    assert found["==accounting"].text == accounted(f"/a{cut}b")
    assert (found["==queue"].text, found["==queue"].exit_code) == (f"x{cut}==end 1", 0)


def test_a_line_may_end_as_on_a_terminal() -> None:
    found = parse.sections("==queue\r\n7\r\n==end 0\r\n")
    assert (found["==queue"].text, found["==queue"].exit_code) == ("7", 0)
    assert parse.lines("") == []
    assert parse.lines("a\n\nb\n") == ["a", "", "b"]
    assert parse.lines("a\nb") == ["a", "b"]


def test_a_section_without_its_end_is_no_answer() -> None:
    assert parse.sections("==queue\n7\n")["==queue"].exit_code is None


@pytest.mark.parametrize(
    "text", ["²", "٣", "9" * 5000, "9" * 400, "-1", "1.5", "1e9", "", "Unknown", "N/A", "nan"]
)
def test_what_is_no_number_is_not_known(text: str) -> None:
    assert parse.seconds(text) is None
    assert parse.job_id(f"{text};x") is None
    (row,) = parse.accounting(accounted("/x").replace("100", text).replace("4", text))
    assert row.start is None
    assert row.usage.cpus is None


def test_no_memory_is_larger_than_can_be_stored() -> None:
    (row,) = parse.accounting(accounted("/x").replace("8G", "999999999999999T"))
    assert row.usage.memory_bytes is None


def test_states_and_reasons_are_fit_to_be_shown() -> None:
    (row,) = parse.queue(queued_row("RUN\x1b[2JNING", "Dep\u202eendency"))
    assert (row.state, row.reason) == ("RUNNING", "Dep\\u202eendency")


def receipt(what: str, out: str = "", said: str = "", place: str = US * 5) -> rooms.Receipt:
    """As submit.sh prints it, of lines with record separators behind them."""
    (found,) = rooms.receipts(f"t1{US}{what}{US}{place}{US}{out}{US}{said}\n")
    return found


def test_what_sbatch_said_may_hold_a_separator() -> None:
    found = receipt("done 1", "", f"no option a{US}b{RS}", f"123{US}{US}me{US}n{US}/w{US}/real")
    assert (found.what, found.exit_code, found.said) == ("done", 1, (f"no option a{US}b",))
    room = rooms.Room(begun_at=123.0, user="me", name="n", places=frozenset({"/w", "/real"}))
    assert found.room == room
    assert receipt("locked").room == rooms.Room()


@pytest.mark.parametrize(
    "out",
    [
        f"7{RS}",
        f"7;other{RS}",
        f"7{RS}Thank you for 8 jobs{RS}8{RS}",
        f"Submitted batch job 7{RS}",
        f"Submitted batch job 7 on cluster other{RS}",
        f"*** Welcome to x ***{RS} {RS}Submitted batch job 7{RS}You have 99 hours left{RS}",
        f"budget: 3{RS}7{RS}",
    ],
)
@pytest.mark.parametrize("code", [0, 1, 7, 137, 255])
def test_what_holds_an_id_is_an_id_whatever_the_exit_code(out: str, code: int) -> None:
    assert errors.answer(receipt(f"done {code}", out, f"Batch job submission failed: no{RS}")) == Accepted(
        "7"
    )


@pytest.mark.parametrize("out", ["", f"job 7 it is{RS}", f"a{RS}7{RS}8{RS}", f"no{RS}"])
def test_what_holds_none_is_in_doubt(out: str) -> None:
    answer = errors.answer(receipt("done 0", out))
    assert isinstance(answer, Unclear)
    assert "sbatch printed no job id" in answer.reason


POLICY = "Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
FAILED = "Batch job submission failed: "


def said(*lines: str) -> rooms.Receipt:
    return receipt("done 1", "", "".join(f"sbatch: error: {line}{RS}" for line in lines))


@pytest.mark.parametrize(
    "word",
    [
        "QOSMaxSubmitJobPerUserLimit",
        "QOSGrpSubmitJobsLimit",
        "AssocGrpSubmitJobsLimit",
        "AssocMaxSubmitJobLimit",
        "MaxSubmitJobsPerAccount",
    ],
)
def test_a_limit_on_how_many_are_queued_passes(word: str) -> None:
    assert isinstance(errors.answer(said(word, POLICY)), Deferred)
    assert stops(word, POLICY)


@pytest.mark.parametrize(
    "word",
    [
        "QOSMaxCpuPerJobLimit",
        "QOSMaxWallDurationPerJobLimit",
        "QOSGrpCpuLimit",
        "QOSMinCpuNotSatisfied",
        "QOSMaxCpuPerUserLimit",
        "AssocMaxWallDurationPerJobLimit",
        "QOSMaxGRESPerJob",
    ],
)
def test_a_limit_on_size_or_time_does_not_pass_and_stops_no_other(word: str) -> None:
    answer = errors.answer(said(word, POLICY))
    assert isinstance(answer, Refused)
    assert answer.error.startswith(word)
    assert not errors.may_pass(said(word, POLICY))
    assert not stops(word, POLICY)


def test_a_limit_that_has_no_name_may_be_either() -> None:
    assert isinstance(errors.answer(said("Submit from the login nodes", FAILED + "Access denied")), Refused)
    assert not stops("Submit from the login nodes", FAILED + "Access denied")
    assert isinstance(errors.answer(said(POLICY)), Refused)
    assert errors.may_pass(said(POLICY))
    assert errors.may_pass(said("please ask for fewer GPUs", POLICY))
    assert not stops(POLICY)


@pytest.mark.parametrize(
    ("reason", "kind", "last"),
    [
        ("Unable to contact slurm controller (connect failure)", Deferred, True),
        ("Slurm backup controller in standby mode", Deferred, True),
        ("Resource temporarily unavailable", Deferred, True),
        ("Unable to create job record, try again", Deferred, True),
        ("Protocol authentication error", Deferred, True),
        ("Required partition not available (inactive or drain)", Deferred, False),
        ("Socket timed out on send/recv operation", Unclear, True),
        ("Zero Bytes were transmitted or received", Unclear, True),
        ("Invalid partition name specified", Refused, False),
        ("Invalid qos specification", Refused, False),
        ("Requested node configuration is not available", Refused, False),
        ("Requested time limit is invalid (missing or exceeds some limit)", Refused, False),
    ],
)
def test_what_sbatch_says_last_is_why(reason: str, kind: type, last: bool) -> None:
    answer = errors.answer(said(FAILED + reason))
    assert type(answer) is kind
    assert stops(FAILED + reason) is last
    assert not isinstance(answer, Deferred) or answer.alone is not last
    slept = "Slurm temporarily unable to accept job, sleeping and retrying"
    assert type(errors.answer(said(slept, FAILED + reason))) is kind


@pytest.mark.parametrize(
    "quoted",
    [
        "Unable to open file /exp/MaxSubmit/Socket timed out/x.slurm",
        "Invalid directive found in batch script: MaxSubmitJobs",
        f"invalid partition specified: MaxSubmit\n{FAILED}Invalid partition name specified",
    ],
)
def test_what_a_person_wrote_decides_nothing(quoted: str) -> None:
    assert isinstance(errors.answer(said(*quoted.split("\n"))), Refused)
    assert not stops(*quoted.split("\n"))


def stops(*lines: str) -> bool:
    """Whether submit.sh goes on with the next one; its grep is not Python's."""
    text = "".join(f"sbatch: error: {line}\n" for line in lines)
    grep = ["grep", "-qE", errors.STOPS]
    return subprocess.run(grep, input=text, text=True, check=False).returncode == 0


@pytest.mark.parametrize("code", ["1", "255", "127", "137", "²", "9" * 5000])
def test_what_sbatch_said_is_shown_on_one_line_of_bounded_length(code: str) -> None:
    text = f"\x1b[31msbatch: error: \u202eno\x00{RS}" + "x" * 100_000
    answer = errors.answer(receipt(f"done {code}", "", text))
    assert not isinstance(answer, Accepted)
    text = answer.error if isinstance(answer, Refused) else answer.reason
    assert text == printable(text)
    assert 0 < len(text) < 1200
