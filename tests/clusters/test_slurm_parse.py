"""What Slurm prints, with everything in it that a directory's or a job's name may hold: no row is cut, none is made up."""

import pytest

from runexp.text import printable
from runexpd.clusters.base import Accepted, Refused
from runexpd.clusters.slurm import errors, parse
from runexpd.clusters.slurm.parse import US

#: All at which str.splitlines cuts, and a line feed doesn't end.
CUTS = ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "a\rb"]


def accounted(workdir: str, id: str = "7") -> str:
    facts = ["COMPLETED", "0:0", "100", "160", "me", "90", "train", workdir]
    return US.join([id, *facts, "2", "4", "", "01:30", "8G", "", f"sbatch {workdir}/.runexp/t1/x"])


@pytest.mark.parametrize("cut", CUTS)
def test_a_row_ends_at_a_line_feed_alone(cut: str) -> None:
    command = f"/exp/a{cut}b/finetune.slurm"
    rows = parse.queue(f"{US.join(['7', 'RUNNING', 'None', '100', command])}\n")
    assert [(row.id, row.command) for row in rows] == [("7", command)]
    strangers = parse.strangers(f"{US.join(['7', 'RUNNING', command, command])}\n")
    assert [(row.command, row.workdir) for row in strangers] == [(command, command)]
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
    assert parse.strangers(US.join([text, "RUNNING", "/x", "/y"])) == []
    (row,) = parse.accounting(accounted("/x").replace("100", text).replace("4", text))
    assert row.start is None
    assert row.usage.cpus is None


def test_no_memory_is_larger_than_can_be_stored() -> None:
    (row,) = parse.accounting(accounted("/x").replace("8G", "999999999999999T"))
    assert row.usage.memory_bytes is None


def test_states_and_reasons_are_fit_to_be_shown() -> None:
    (row,) = parse.queue(US.join(["7", "RUN\x1b[2JNING", "Dep\u202eendency", "100", "/x"]))
    assert (row.state, row.reason) == ("RUNNING", "Dep\\u202eendency")


def test_what_sbatch_said_may_hold_a_separator() -> None:
    submitted, resolved, untimed = parse.receipts(
        f"t1{US}error 1{US}no option a{US}b\nt2{US}error 1{US}no option a{US}b{US}123\nt3{US}locked{US}{US}\n"
    )
    assert (submitted.text, submitted.begun_at, submitted.exit_code) == (f"no option a{US}b", None, 1)
    assert (resolved.text, resolved.begun_at) == (f"no option a{US}b", 123.0)
    assert (untimed.what, untimed.text, untimed.begun_at) == ("locked", "", None)


@pytest.mark.parametrize("code", ["1", "255", "127", "137", "²", "9" * 5000])
def test_what_sbatch_said_is_shown_on_one_line_of_bounded_length(code: str) -> None:
    said = "\x1b[31msbatch: error: \u202eno\x00\n" + "x" * 100_000
    (receipt,) = parse.receipts(f"t1{US}error {code}{US}{said}".replace("\n", " "))
    answer = errors.answer(receipt)
    assert not isinstance(answer, Accepted)
    text = answer.error if isinstance(answer, Refused) else answer.reason
    assert text == printable(text)
    assert 0 < len(text) < 1200
