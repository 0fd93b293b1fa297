"""What failed jobs said last, as `runexp status` shows it."""

from fakes.daemon import job
from runexp.ui import last_words
from runexp.ui.palette import plain
from runexp.wire.jobs import Failure
from runexp.wire.states import Stage

SAID = ("  File x, line 7", "KeyError: 'x'")


def test_last_words_are_shown_of_the_first_failed_jobs() -> None:
    failed = [
        job(f"rank{n}", stage=Stage.FAILED, failure=Failure("exception", SAID[-1], SAID)) for n in range(5)
    ]
    shown = [plain(line) for line in last_words.lines([job("base", stage=Stage.VERIFIED), *failed], "exp7")]
    assert shown[:4] == ["", "last words of rank0", "  |   File x, line 7", "  | KeyError: 'x'"]
    assert shown[-1] == "  and of 2 more: runexp report exp7"


def test_who_said_nothing_has_none() -> None:
    assert (
        list(last_words.lines([job("rank4", stage=Stage.FAILED, failure=Failure("unknown", "x"))], "exp7"))
        == []
    )
