"""Waiting without a word: for the end, the barrier or a failure, through restarts, for a time at most."""

import json

import pytest

from client.conftest import Runexp
from fakes.daemon import LIVE, FakeDaemon, experiment, job, seen, shown
from runexp import waiting
from runexp.wire import events, requests
from runexp.wire.states import Outcome, PhaseState, Stage

TRAINS = experiment(job("rank4"), job("rank8"))
GOOD = job("rank4", Stage.VERIFIED, "VERIFIED")
BAD = job("rank8", Stage.FAILED, "FAILED", detail="no such model")
EVALUATES = experiment(GOOD, BAD, job("rank4/words/epoch0"), optimization=PhaseState.CLOSED, seq=2)
ENDED = experiment(GOOD, BAD, outcome=Outcome.PARTIAL, seq=3)
END = events.ExperimentEnded(outcome=Outcome.PARTIAL)


def follows(daemon: FakeDaemon) -> None:
    daemon.answer(requests.Status, requests.StatusReply(experiment=TRAINS))
    daemon.follow([LIVE, shown(TRAINS), shown(EVALUATES), seen(3, END), shown(ENDED)])


def test_nothing_is_said_but_the_end_and_the_exit_code_is_its_own(daemon: FakeDaemon, runexp: Runexp) -> None:
    follows(daemon)
    done = runexp("wait", "words")
    assert (done.exit_code, done.stderr) == (3, "")
    assert done.stdout == "words: partial: 1 VERIFIED, 1 FAILED\n"


def test_the_barrier_is_told_by_how_the_trainings_did(daemon: FakeDaemon, runexp: Runexp) -> None:
    follows(daemon)
    done = runexp("wait", "words", "--for", "barrier", "--json")
    assert done.exit_code == 3
    said = json.loads(done.stdout)
    assert (said["goal"], said["outcome"], said["failed"]) == ("barrier", "partial", ["rank8"])


def test_the_first_failure_is_a_failure(daemon: FakeDaemon, runexp: Runexp) -> None:
    follows(daemon)
    done = runexp("wait", "words", "--for", "failure")
    assert (done.exit_code, done.stdout) == (4, "words: rank8 failed: no such model\n")


@pytest.mark.parametrize("goal", list(waiting.Goal))
def test_what_is_over_is_not_waited_for(daemon: FakeDaemon, runexp: Runexp, goal: waiting.Goal) -> None:
    over = experiment(GOOD, outcome=Outcome.SUCCEEDED)
    daemon.answer(requests.Status, requests.StatusReply(experiment=over))
    assert runexp("wait", "words", "--for", goal.value).exit_code == 0
    assert not daemon.of(requests.Follow)


def test_a_restart_of_the_daemon_is_waited_through(daemon: FakeDaemon, runexp: Runexp) -> None:
    daemon.answer(requests.Status, requests.StatusReply(experiment=TRAINS))
    daemon.follow([LIVE, shown(TRAINS)], [LIVE, shown(TRAINS), seen(3, END), shown(ENDED)])
    done = runexp("wait", "words")
    assert (done.exit_code, done.stderr) == (3, "")
    assert len(daemon.of(requests.Follow)) == 2


def test_a_time_limit_ends_with_6_and_says_so(daemon: FakeDaemon, runexp: Runexp) -> None:
    daemon.answer(requests.Status, requests.StatusReply(experiment=TRAINS))
    daemon.follow([LIVE, shown(TRAINS)])
    done = runexp("wait", "words", "--timeout", "0.2")
    assert (done.exit_code, done.stdout) == (6, "")
    assert done.stderr.startswith("error: not there after 0.2 s: end of words\n")


def test_a_time_limit_holds_where_the_daemon_gives_no_answer(daemon: FakeDaemon, runexp: Runexp) -> None:
    daemon.stay_silent(requests.Status)
    assert runexp("wait", "words", "--timeout", "0.2").exit_code == 6


def test_a_training_that_was_cancelled_is_said_to_be(daemon: FakeDaemon) -> None:
    view = experiment(job("rank4", Stage.SKIPPED, "SKIPPED"), outcome=Outcome.CANCELLED)
    reached = waiting.reached(waiting.Goal.BARRIER, view)
    assert reached is not None
    assert reached.outcome is Outcome.CANCELLED
