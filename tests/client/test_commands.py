"""What each command asks, prints and exits with."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from client.conftest import Runexp
from fakes.daemon import LIVE, FakeDaemon, experiment, job, report, seen, shown
from runexp.wire import events, requests, views
from runexp.wire.completing import Directories, DirectoriesReply
from runexp.wire.jobs import Barrier, Failure, OnFailure
from runexp.wire.metrics import Curves, Series
from runexp.wire.refusals import Code, Refused
from runexp.wire.states import Outcome, Phase, PhaseState, Stage

DONE = job("rank4", Stage.VERIFIED, "VERIFIED", ended_at=1009.0, detail="2 epochs")
BROKEN = job(
    "rank8",
    Stage.FAILED,
    "FAILED",
    ended_at=1002.0,
    detail="no such model",
    failure=Failure("missing", "no such model"),
)
ENDED = events.ExperimentEnded(outcome=Outcome.PARTIAL)
LINE = views.ExperimentLine(
    id="e1", name="words", cluster="local", dir="/exp", outcome=None, optimization=PhaseState.RUNNING,
    evaluation=PhaseState.WAITING, asked_at=1000.0, ended_at=None, counts={"RUNNING": 2},
)  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.SUCCEEDED, 0),
        (Outcome.PARTIAL, 3),
        (Outcome.FAILED, 4),
        (Outcome.CANCELLED, 5),
        (None, 6),
    ],
)
def test_report_exits_by_how_the_experiment_ended(
    daemon: FakeDaemon, runexp: Runexp, outcome: Outcome | None, code: int
) -> None:
    daemon.answer(requests.ReportAsk, report(outcome, DONE))
    assert runexp("report", "words").exit_code == code


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_report_says_what_was_done_and_what_failed_and_where_its_output_is(
    daemon: FakeDaemon, runexp: Runexp, form: str
) -> None:
    daemon.answer(requests.ReportAsk, report(Outcome.PARTIAL, DONE, BROKEN))
    said = runexp("report", "words", "--format", form).stdout
    assert "1/2 runs completed successfully" in said
    assert "rank4: 9 s" in said
    assert "no such model" in said
    assert "/exp/rank8/slurm-101.out" in said
    assert "Complete workflow: 1 min 57 s" in said
    assert "runexp retry words" in said


def test_report_as_a_page_says_the_same(daemon: FakeDaemon, runexp: Runexp) -> None:
    daemon.answer(requests.ReportAsk, report(Outcome.PARTIAL, DONE, BROKEN))
    said = runexp("report", "words", "--format", "html").stdout
    for words in ("1/2 runs completed successfully", "9 s", "no such model", "/exp/rank8/slurm-101.out"):
        assert words in said
    assert "1 min 57 s" in said
    assert "runexp retry words" in said


def test_a_report_is_written_whole_or_not_at_all(daemon: FakeDaemon, runexp: Runexp, tmp_path: Path) -> None:
    daemon.answer(requests.ReportAsk, report(Outcome.SUCCEEDED, DONE))
    path = tmp_path / "report.md"
    result = runexp("report", "words", "--format", "markdown", "-o", str(path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert path.read_text().startswith("## Run Experiment Complete")
    assert list(tmp_path.glob(".report*")) == []
    runexp("report", "words", "--json", "-o", str(path))
    assert json.loads(path.read_text())["name"] == "words"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    assert runexp("report", "words", "-o", str(tmp_path / "pipe")).exit_code == 0
    assert os.read(reader, 10)
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    (tmp_path / "link").symlink_to(path)
    runexp("report", "words", "-o", str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    refused = runexp("report", "words", "-o", str(tmp_path / "nowhere" / "x"))
    assert (refused.exit_code, "error: " in refused.stderr) == (1, True)


def test_report_as_json_is_one_document(daemon: FakeDaemon, runexp: Runexp) -> None:
    daemon.answer(requests.ReportAsk, report(Outcome.SUCCEEDED, DONE))
    assert json.loads(runexp("report", "words", "--json").stdout)["optimization"]["succeeded"] == 1


def test_a_refusal_is_two_lines_on_stderr_and_exits_1(daemon: FakeDaemon, runexp: Runexp) -> None:
    daemon.answer(
        requests.Run,
        Refused(code=Code.BAD_EXPERIMENT, what="no summary", where="/exp", hint="design-experiment"),
    )
    result = runexp("run", "/exp")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == ["error: no summary (/exp)", "hint: design-experiment"]


def test_a_refusal_as_json_is_json(daemon: FakeDaemon, runexp: Runexp) -> None:
    daemon.answer(requests.Status, Refused(code=Code.UNKNOWN, what="no experiment is called x"))
    result = runexp("status", "x", "--json")
    assert json.loads(result.stderr)["error"] == "no experiment is called x"
    assert result.stdout == ""


def test_run_sends_the_policy_and_an_absolute_path_and_says_how_much_is_owed(
    home: Path, daemon: FakeDaemon, runexp: Runexp
) -> None:
    daemon.answer(
        requests.Run, requests.RunReply(experiment="e1", name="words", typed="words", seq=7, owed=5)
    )
    result = runexp("run", "exp", "--detach", "--on-failure", "stop", "--barrier", "run", "--optimize-only")
    (asked,) = daemon.asked
    choices = requests.Choices(on_failure=OnFailure.STOP, barrier=Barrier.RUN, optimize_only=True)
    assert asked == requests.Run(dir=str(home / "exp"), cluster="local", choices=choices)
    assert result.exit_code == 0
    assert "5 jobs owed" in result.stderr
    assert "runexp attach words" in result.stderr


def test_run_takes_a_directory_on_a_cluster_as_it_is(daemon: FakeDaemon, runexp: Runexp) -> None:
    daemon.answer(
        requests.Run, requests.RunReply(experiment="e1", name="words", typed="words", seq=7, owed=5)
    )
    runexp("run", "della:/scratch/me/exp", "--detach")
    (asked,) = daemon.of(requests.Run)
    assert (asked.cluster, asked.dir) == ("della", "/scratch/me/exp")


def test_run_follows_from_its_own_event_on_and_ends_with_the_report(
    daemon: FakeDaemon, runexp: Runexp
) -> None:
    daemon.answer(
        requests.Run, requests.RunReply(experiment="e1", name="words", typed="words", seq=7, owed=1)
    )
    daemon.follow([seen(8, ENDED), LIVE, shown(experiment(DONE, BROKEN, outcome=Outcome.PARTIAL, seq=8))])
    daemon.answer(requests.ReportAsk, report(Outcome.PARTIAL, DONE, BROKEN))
    result = runexp("run", "/exp")
    assert daemon.of(requests.Follow) == [requests.Follow(experiment="e1", after=6)]
    assert result.exit_code == 3
    assert "1/2 runs completed successfully" in result.stdout


def test_run_that_owes_nothing_says_why(daemon: FakeDaemon, runexp: Runexp) -> None:
    view = experiment(DONE, outcome=Outcome.SUCCEEDED)
    daemon.answer(
        requests.Run, requests.RunReply(experiment="e1", name="words", typed="words", seq=7, owed=0)
    )
    daemon.answer(requests.Status, requests.StatusReply(experiment=view))
    daemon.follow([LIVE, shown(view)])
    daemon.answer(requests.ReportAsk, report(Outcome.SUCCEEDED, DONE))
    result = runexp("run", "/exp")
    assert result.exit_code == 0
    assert "nothing is submitted" in result.stderr
    assert "2 epochs" in result.stdout
    assert "Detached" not in runexp("run", "/exp", "--detach").stderr


def test_retry_names_the_jobs_and_attaches(daemon: FakeDaemon, runexp: Runexp) -> None:
    daemon.answer(
        requests.Retry,
        requests.RetryReply(
            experiment="e1", name="words", typed="words", seq=20, jobs=("rank8", "rank8/w/epoch0")
        ),
    )
    daemon.follow([LIVE, shown(experiment(DONE, outcome=Outcome.SUCCEEDED, seq=19))])
    daemon.answer(requests.ReportAsk, report(Outcome.SUCCEEDED, DONE))
    result = runexp("retry", "words", "rank8")
    assert daemon.of(requests.Retry) == [requests.Retry(experiment="words", jobs=("rank8",))]
    assert "rank8/w/epoch0" in result.stderr
    assert result.exit_code == 0


def test_cancel_without_a_terminal_needs_yes(daemon: FakeDaemon, runexp: Runexp) -> None:
    result = runexp("cancel", "words")
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert daemon.asked == []


def test_cancel_with_yes_names_what_it_cancels(daemon: FakeDaemon, runexp: Runexp) -> None:
    daemon.answer(requests.Cancel, requests.CancelReply(jobs=("rank4", "rank8")))
    result = runexp("cancel", "words", "--yes")
    assert result.exit_code == 0
    assert "rank4, rank8" in result.stdout


def test_plan_shows_each_decision_with_its_reason(daemon: FakeDaemon, runexp: Runexp) -> None:
    lines = tuple(
        views.PlanLine(job=job, phase=Phase.OPTIMIZATION, decision=decision, reason=reason, script="s")
        for job, decision, reason in [("rank4", "skip", "2 epochs"), ("rank8", "submit", "never ran")]
    )
    daemon.answer(requests.PlanAsk, views.Plan(name="words", dir="/exp", cluster="local", lines=lines))
    rows = [line.split(None, 2) for line in runexp("plan", "/exp").stdout.splitlines()]
    assert ["skip", "rank4", "2 epochs"] in rows
    assert ["submit", "rank8", "never ran"] in rows


def test_status_shows_jobs_with_state_id_and_detail(daemon: FakeDaemon, runexp: Runexp) -> None:
    daemon.answer(requests.Status, requests.StatusReply(experiment=experiment(DONE, BROKEN)))
    said = runexp("status", "words").stdout
    row = next(line for line in said.splitlines() if "rank8" in line)
    assert row.split()[:3] == ["rank8", "FAILED", "101"]
    assert "no such model" in row


def test_status_without_a_name_lists_what_runs(daemon: FakeDaemon, runexp: Runexp) -> None:
    ended = views.ExperimentLine(**{name: getattr(LINE, name) for name in LINE.__struct_fields__} | {"name": "old", "outcome": Outcome.FAILED})  # fmt: skip
    daemon.answer(requests.Ls, requests.LsReply(experiments=(LINE, ended)))
    said = runexp("status").stdout
    assert "words" in said
    assert "old" not in said
    assert "old" in runexp("ls").stdout


@pytest.mark.parametrize("command", ["attach", "report", "status", "logs"])
def test_without_a_name_the_current_directory_is_meant(
    home: Path, daemon: FakeDaemon, runexp: Runexp, command: str
) -> None:
    (home / "experiment_summary.yaml").touch()
    refused = Refused(code=Code.UNKNOWN, what="not known")
    for request in (requests.Status, requests.ReportAsk, requests.Logs):
        daemon.answer(request, refused)
    runexp(command)
    assert [asked.experiment for asked in daemon.asked] == [str(home)]  # type: ignore[union-attr]


def test_logs_are_passed_on_byte_for_byte_where_there_is_no_terminal(
    daemon: FakeDaemon, runexp: Runexp
) -> None:
    text = "step 1\r\x1b[31mstep 2\x1b[0m\n\x1b]0;title\x07end"
    daemon.answer(requests.Logs, requests.Chunk(text=text), requests.LogsEnd(path="/exp/slurm-1.out"))
    assert runexp("logs", "words", "rank8").stdout_bytes.decode() == text


@pytest.mark.parametrize("command", ["run", "attach", "status", "ls", "plan", "logs", "report", "cancel", "retry", "daemon"])  # fmt: skip
def test_every_command_has_an_example_and_json(runexp: Runexp, command: str) -> None:
    said = runexp(command, "--help").stdout
    assert "Example:" in said
    assert "--json" in said


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_prints_a_script(runexp: Runexp, shell: str) -> None:
    assert "_RUNEXP_COMPLETE" in runexp("completion", shell).stdout


def test_a_series_that_there_is_none_of_is_said_with_those_that_there_are(
    daemon: FakeDaemon, runexp: Runexp
) -> None:
    loss = Series(job="rank4", name="loss", attempt=1, steps=(1,), seconds=(0.0,), values=(2.0,))
    daemon.answer(requests.Metrics, Curves(experiment="e1", name="words", series=()))
    assert "nothing yet" in runexp("metrics", "words").stderr
    daemon.answers[requests.Metrics] = lambda asked: [
        Curves(experiment="e1", name="words", series=() if asked.names else (loss,))
    ]
    assert "no los is there; there are: loss" in runexp("metrics", "words", "--name", "los").stderr


def test_zsh_goes_on_behind_a_cluster(runexp: Runexp) -> None:
    assert '[[ "$key" == *[:/] ]] && compadd -U -S ""' in runexp("completion", "zsh").stdout


def test_zsh_leaves_what_was_typed_where_nothing_offered_begins_so(runexp: Runexp) -> None:
    assert "compstate[insert]= " in runexp("completion", "zsh").stdout


def test_names_are_completed_by_asking_the_daemon(daemon: FakeDaemon, runexp: Runexp) -> None:
    daemon.answer(requests.Ls, requests.LsReply(experiments=(LINE,)))
    environment = {"_RUNEXP_COMPLETE": "fish_complete", "COMP_WORDS": "runexp attach wo", "COMP_CWORD": "wo"}
    assert "words" in runexp(env=environment, prog_name="runexp").stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("wo", ["/a/words", "della:/b/words", "words2"]),
        ("words2", ["words2"]),
        ("/a", ["/a/words"]),
        ("della:/b/w", ["della:/b/words"]),
        ("e2", ["e2"]),
        ("", ["/a/words", "della:/b/words", "words2", "/d/odd"]),
        ("nothing", []),
    ],
)
def test_what_is_offered_means_one_experiment_as_it_stands(
    daemon: FakeDaemon, runexp: Runexp, typed: str, offered: list[str]
) -> None:
    known = (
        replace(LINE, id="e1", name="words", cluster="local", dir="/a/words"),
        replace(LINE, id="e2", name="words", cluster="della", dir="/b/words"),
        replace(LINE, id="e3", name="words2", cluster="local", dir="/c/words2"),
        replace(LINE, id="e4", name="-odd", cluster="local", dir="/d/odd"),
    )
    daemon.answer(requests.Ls, requests.LsReply(experiments=known))
    asked = {"_RUNEXP_COMPLETE": "fish_complete", "COMP_WORDS": f"runexp attach {typed}", "COMP_CWORD": typed}
    said = runexp(env=asked, prog_name="runexp").stdout.splitlines()
    assert [line.removeprefix("plain,").partition("\t")[0] for line in said if line] == offered


def test_completion_without_a_daemon_says_nothing(runexp: Runexp) -> None:
    environment = {"_RUNEXP_COMPLETE": "fish_complete", "COMP_WORDS": "runexp attach wo", "COMP_CWORD": "wo"}
    result = runexp(env=environment, prog_name="runexp")
    assert (result.stdout.strip(), result.stderr) == ("", "")


def test_what_is_not_typed_of_a_policy_is_not_sent(daemon: FakeDaemon, runexp: Runexp) -> None:
    daemon.answer(
        requests.Run, requests.RunReply(experiment="e1", name="words", typed="words", seq=7, owed=5)
    )
    runexp("run", "exp", "--detach")
    (asked,) = daemon.of(requests.Run)
    assert asked.choices == requests.Choices()


def test_the_command_that_comes_back_is_the_one_that_the_daemon_says(
    daemon: FakeDaemon, runexp: Runexp
) -> None:
    daemon.answer(requests.Run, requests.RunReply(experiment="e1", name="words", typed="e1", seq=7, owed=5))
    assert "runexp attach e1" in runexp("run", "exp", "--detach").stderr


def test_accept_names_the_jobs_and_attaches(daemon: FakeDaemon, runexp: Runexp) -> None:
    reply = requests.AcceptReply(experiment="e1", name="words", typed="words", seq=20, jobs=("rank8",))
    daemon.answer(requests.Accept, reply)
    daemon.follow([LIVE, shown(experiment(DONE, outcome=Outcome.SUCCEEDED))])
    daemon.answer(requests.ReportAsk, report(Outcome.SUCCEEDED, DONE))
    result = runexp("accept", "words", "rank8")
    assert daemon.of(requests.Accept) == [requests.Accept(experiment="words", jobs=("rank8",))]
    assert result.exit_code == 0
    assert "taken as they are: rank8" in result.stderr


def test_accept_takes_no_results_by_itself(daemon: FakeDaemon, runexp: Runexp) -> None:
    assert runexp("accept", "words").exit_code == 2
    assert daemon.asked == []


@pytest.mark.parametrize(
    "words",
    [
        ("wait", "words", "--timeout"),
        ("ls", "--days"),
        ("run", ".", "--stagger-evaluations"),
        ("gc", "local", "--days"),
        ("init", "exp", "--lr"),
    ],
)
@pytest.mark.parametrize("number", ["nan", "inf", "1e999"])
def test_what_is_no_number_is_none(runexp: Runexp, words: tuple[str, ...], number: str) -> None:
    done = runexp(*words, number)
    assert done.exit_code == 2
    assert "Traceback" not in done.stderr


def test_a_wait_of_ages_is_a_long_one(runexp: Runexp, daemon: FakeDaemon) -> None:
    assert runexp("wait", "words", "--timeout", "1e300").exit_code == 1


def completed(runexp: Runexp, typed: str) -> str:
    environment = {
        "_RUNEXP_COMPLETE": "zsh_complete",
        "COMP_WORDS": f"runexp run {typed}",
        "COMP_CWORD": "2",
    }
    return runexp(env=environment, prog_name="runexp").stdout


def test_directories_of_a_cluster_are_completed(daemon: FakeDaemon, runexp: Runexp) -> None:
    daemon.answer(Directories, DirectoriesReply(paths=("/scratch/me/exp7/", "/scratch/me/exp8/")))
    assert "della:/scratch/me/exp8/" in completed(runexp, "della:/scratch/me/e")


def test_a_directory_here_is_the_shells_affair(daemon: FakeDaemon, runexp: Runexp) -> None:
    daemon.answer(
        requests.Info,
        requests.InfoReply(
            version="1", pid=1, started_at=0.0, ledger="", config="", clusters=("local", "della"), tools=()
        ),
    )
    said = completed(runexp, "de")
    assert "della:" in said
    assert "dir\n" in said


def test_bash_offers_clusters_beside_directories(runexp: Runexp, tmp_path: Path) -> None:
    (tmp_path / "completions").write_text(runexp("completion", "bash").stdout)
    asked = tmp_path / "asked"
    asked.write_text("#!/bin/sh\nprintf 'plain,della:\\ndir,de\\n'\n")
    asked.chmod(0o700)
    typed = (
        "complete() { :; }; compopt() { said+=:$2; }; . completions; COMP_WORDS=(runexp run de) COMP_CWORD=2"
    )
    offered = f'{typed} _runexp_completion ./asked; echo "${{COMPREPLY[*]}}$said"'
    ran = subprocess.run(["bash", "-c", offered], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == "della::nospace:plusdirs\n", ran.stderr


@pytest.mark.parametrize(
    ("archived", "asked", "said"),
    [
        ([], [], "no experiments yet: runexp run DIR"),
        ([True, True], [], "none but 2 archived: runexp ls --archived"),
        ([False], ["--archived"], "none is archived: runexp ls"),
        ([True, False], ["other*"], "none of 1 is like that: runexp ls"),
        ([True, False, False], ["--cluster", "dela"], "none of 2 is like that: runexp ls"),
        ([True, False], ["--archived", "other*"], "none of 1 is like that: runexp ls --archived"),
    ],
)
def test_a_list_without_a_line_says_where_there_are_some(
    daemon: FakeDaemon, runexp: Runexp, archived: list[bool], asked: list[str], said: str
) -> None:
    known = tuple(replace(LINE, archived=each) for each in archived)
    daemon.answer(requests.Ls, requests.LsReply(experiments=known))
    assert runexp("ls", *asked).stdout.strip() == said


@pytest.mark.parametrize("words", [("cancel", "--yes"), ("status",), ("rm", "--yes"), ("run",), ("plan",)])
def test_a_name_that_is_empty_is_not_what_happens_to_be_here(
    runexp: Runexp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    (tmp_path / "experiment_summary.yaml").touch()
    monkeypatch.chdir(tmp_path)
    done = runexp(*words, "")
    assert done.exit_code == 2
    assert "an empty name is no" in done.stderr


def test_a_report_is_written_into_a_directory_that_is_there(
    daemon: FakeDaemon, runexp: Runexp, tmp_path: Path
) -> None:
    daemon.answer(requests.ReportAsk, report(Outcome.SUCCEEDED, DONE))
    done = runexp("report", "words", "--format", "html", "-o", str(tmp_path / "none" / "x.html"))
    assert done.exit_code == 1
    assert f"error: there is no such directory ({tmp_path}/none)" in done.stderr


def test_what_would_be_asked_is_said_where_nobody_is(runexp: Runexp) -> None:
    assert "nobody is here to be asked: Cancel all jobs of words?" in runexp("cancel", "words").stderr


def test_what_is_no_number_is_called_that(runexp: Runexp) -> None:
    assert "'x' is not a valid number." in runexp("ls", "--days", "x").stderr


def test_what_troubles_many_experiments_is_listed_once(daemon: FakeDaemon, runexp: Runexp) -> None:
    down = "della: no connection for 9 s: refused"
    known = [replace(LINE, id=f"e{n}", name=f"exp{n}", trouble=down) for n in range(5)]
    parked = replace(LINE, id="e9", name="exp9", trouble="a fault")
    daemon.answer(requests.Ls, requests.LsReply(experiments=(*known, parked)))
    said = [line for line in runexp("ls").stdout.splitlines() if line.startswith("! ")]
    assert said == [f"! exp0 [e0], exp1 [e1], exp2 [e2] and 2 more: {down}", "! exp9 [e9]: a fault"]
