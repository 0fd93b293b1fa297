"""Random edits of an experiment, between its runs and during them, with a daemon that is killed again and again.

RUNEXP_EDIT_ROUNDS and RUNEXP_EDIT_SEED choose how long and which; a failure says what was done, in order.
"""

import json
import os
import random
import re
import shlex
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.experiments import Run, build, job_ids, overlaps
from fakes.home import Home, blocks, harvested, wait_for

ROUNDS = int(os.environ.get("RUNEXP_EDIT_ROUNDS", "8"))
SEEDS = [int(seed) for seed in os.environ.get("RUNEXP_EDIT_SEED", "1,2").split(",")]
CONFIG = "local: {max_running: 4, stagger_seconds: 0, poll_seconds: 0.1, kill_wait_seconds: 0.2, results_seconds: 0.3}\n"
BASE = Run("base", epochs=0)
FATES = ("bad_config", "no_steps", "truncated", "cuda_oom", "silent", "adapter")
EVAL_FATES = ("error", "started", "no_log")
UNDER_WAY = ("submitting", "unclear", "queued", "ended", "mending", "setting_aside")
#: In backquotes, or to the end of a clause.
SUGGESTED = re.compile(
    r"`(runexp [^`]+)`|(?<![`\w/])(runexp (?:attach|run|retry|accept|status|report|logs|ls|cancel)\b[^`;)\n]*)"
)
PLACEHOLDER = re.compile(r"\b(JOB|EXP|DIR|CLUSTER)\b")


class Place:
    """An experiment on disk that is edited, and how often each of its scripts has run."""

    def __init__(self, dir: Path, name: str, runs: tuple[Run, ...]) -> None:
        self.dir, self.name = dir, name
        self.runs = {run.name: run for run in runs}
        self.present = [run.name for run in runs]
        #: Runs of another experiment that are reached by a link, and where they really are.
        self.links: dict[str, Place] = {}
        #: Runs that were verified whole, and untouched since; how often each of their scripts had run.
        self.settled: dict[str, Counter[str]] = {}
        self.write()

    def write(self) -> None:
        build(self.dir, BASE, *(self.runs[name] for name in self.present), name=self.name)

    def touch(self, *names: str) -> None:
        """These may run again: what they were is gone, or a person said so."""
        for name in names or tuple(self.runs):
            self.settled.pop(name, None)
            if name in self.links:
                self.links[name].touch(name)

    def ran(self, run: str) -> Counter[str]:
        return Counter(name for name, _ in job_ids(self.dir) if name.split("/")[0] == run)

    def is_whole(self, run: Run) -> bool:
        """As far as files tell, without the help of what is tested."""
        place = self.dir / run.name
        logs = [list((place / "eval").glob(f"words_epoch{n}/logs/*.eval")) for n in range(run.epochs)]
        shards = [
            list((place / "artifacts" / f"epoch_{n}").glob("*model*.safetensors")) for n in range(run.epochs)
        ]
        if not all(logs) or not all(shards):
            return False
        began = [log.stat().st_mtime for log in (place / "artifacts" / "logs").glob("*.txt")]
        ended = [max(log.stat().st_mtime for log in of_cell) for of_cell in logs]
        return bool(began) and min(ended) > max(began)


class Editor:
    """Does one thing after another, drawn by chance, and keeps a list of them."""

    def __init__(self, home: Home, tmp_path: Path, seed: int) -> None:
        self.home, self.chance = home, random.Random(seed)
        self.main = Place(tmp_path / "exp", "words", (Run("rank4"), Run("rank8", epochs=2), Run("rank16")))
        self.beside = Place(tmp_path / "beside", "beside", (Run("other"),))
        (tmp_path / "link").symlink_to(self.main.dir)
        self.spelled = [self.main.dir, tmp_path / "link", f"{tmp_path}/beside/../exp", f"{self.main.dir}/"]
        self.done: list[str] = []
        self.suggested: list[str] = []
        self.ledgers = 0

    def runexp(self, *args: str) -> subprocess.CompletedProcess[str]:
        said = self.home.runexp(*args)
        out = said.stdout + said.stderr
        self.done.append(f"runexp {shlex.join(args)}: {said.returncode} {said.stderr.strip()[-300:]}")
        # A job's own last words are shown as they are, with a bar before them.
        assert not [line for line in out.splitlines() if line.startswith("Traceback")], out
        assert said.returncode != 2, out
        found = (" ".join(filter(None, match.groups())) for match in SUGGESTED.finditer(out))
        self.suggested += [command.strip() for command in found if not PLACEHOLDER.search(command)]
        return said

    def status(self, place: Place) -> Any:
        said = self.home.runexp("status", place.name, "--json")
        return json.loads(said.stdout) if said.returncode == 0 else None

    def edit(self) -> None:
        place = self.chance.choice((self.main, self.main, self.main, self.beside))
        edits: list[Callable[[Place], None]] = [
            self.drop, self.put_back, self.reorder, self.add_epoch, self.mend, self.break_one, self.lose, self.lose,
            self.run, self.run, self.run, self.run, self.retry, self.retry, self.cancel, self.accept, self.kill,
            self.move_ledger, self.follow_a_hint, self.lose_a_log, self.link, self.rerun, self.rerun, self.decide,
        ]  # fmt: skip
        edit = self.chance.choice(edits)
        self.done.append(f"{edit.__name__} {place.name}")
        edit(place)

    def drop(self, place: Place) -> None:
        """One stays that is the experiment's own."""
        own = [name for name in place.present if name not in place.links]
        name = self.chance.choice(place.present)
        if own != [name]:
            place.present.remove(name)
            place.write()

    def put_back(self, place: Place) -> None:
        gone = [name for name in place.runs if name not in place.present]
        place.present[:0] = gone[: self.chance.randint(0, 2)]
        place.write()

    def reorder(self, place: Place) -> None:
        self.chance.shuffle(place.present)
        place.write()

    def change(self, place: Place, **values: Any) -> None:
        name = self.chance.choice([name for name in place.present if name not in place.links])
        place.runs[name] = replace(place.runs[name], **values)
        self.done.append(f"  {name}: {values}")
        if "epochs" in values:
            place.touch(name)
        place.write()

    def add_epoch(self, place: Place) -> None:
        self.change(place, epochs=self.chance.randint(1, 3))

    def mend(self, place: Place) -> None:
        self.change(place, fate="ok", eval_fate="ok")

    def break_one(self, place: Place) -> None:
        kind, fates = self.chance.choice((("fate", FATES), ("eval_fate", EVAL_FATES)))
        self.change(place, **{kind: self.chance.choice(fates), "seconds": self.chance.choice((0.1, 0.8))})

    def lose(self, place: Place) -> None:
        """Results are deleted, or moved away; also while they are written."""
        name = self.chance.choice(place.present)
        there = [place.dir / name / "artifacts", *(place.dir / name).glob("eval/*/logs")]
        lost = self.chance.choice(there)
        self.done.append(f"  {lost}")
        place.touch(name)
        if lost.exists() and self.chance.random() < 0.5:
            lost.rename(lost.with_name(f"{lost.name}.{len(self.done)}"))
        else:
            shutil.rmtree(lost, ignore_errors=True)

    def lose_a_log(self, place: Place) -> None:
        (place.dir / self.chance.choice(("run-experiment.log", "run-torchtune.log"))).unlink(missing_ok=True)

    def link(self, place: Place) -> None:
        """A run of the second experiment is, or is no longer, one of the first."""
        name, way = "rank16", self.beside.dir / "rank16"
        if name in self.beside.links:
            self.beside.present = [each for each in self.beside.present if each != name]
            del self.beside.links[name], self.beside.runs[name]
            way.unlink()
        else:
            way.symlink_to(self.main.dir / name)
            self.beside.runs[name] = replace(self.main.runs[name])
            self.beside.links[name] = self.main
            self.beside.present.append(name)
        self.main.touch(name)
        self.beside.write()
        self.main.write()

    def run(self, place: Place) -> None:
        options = self.chance.choice(
            ([], [], ["--optimize-only"], ["--barrier", "run"], ["--on-failure", "stop"])
        )
        typed = self.chance.choice(self.spelled) if place is self.main else place.dir
        self.runexp("run", "--detach", *options, str(typed))

    def named(self, place: Place) -> list[str]:
        """Nothing, for all, or the name of a job."""
        view = self.status(place)
        ids = [job["id"] for job in view["jobs"]] if view else []
        return [self.chance.choice(ids)] if ids and self.chance.random() < 0.5 else []

    def retry(self, place: Place) -> None:
        jobs = self.named(place)
        place.touch(*(job.split("/")[0] for job in jobs))
        self.runexp("retry", "--detach", place.name, *jobs)

    def rerun(self, place: Place) -> None:
        if jobs := self.named(place):
            place.touch(jobs[0].split("/")[0])
            self.runexp("rerun", "--yes", "--detach", place.name, *jobs)

    def decide(self, place: Place) -> None:
        """What is said otherwise since."""
        place.touch()
        decision = self.chance.choice(("rerun", "keep"))
        self.runexp("run", "--detach", "--changed", decision, str(place.dir))

    def cancel(self, place: Place) -> None:
        self.runexp("cancel", "--yes", place.name, *self.named(place))

    def accept(self, place: Place) -> None:
        if jobs := self.named(place):
            place.touch(jobs[0].split("/")[0])
            self.runexp("accept", "--detach", place.name, *jobs)

    def kill(self, place: Place) -> None:
        self.alive()
        self.home.kill()
        self.home.start()

    def move_ledger(self, place: Place) -> None:
        if self.chance.random() < 0.6:
            return
        self.alive()
        self.home.kill()
        self.ledgers += 1
        aside = self.home.dir / "state" / f"old-{self.ledgers}"
        aside.mkdir()
        for file in (self.home.dir / "state").glob("ledger.sqlite*"):
            file.rename(aside / file.name)
        for each in (self.main, self.beside):
            each.touch()
        self.home.start()

    def follow_a_hint(self, place: Place) -> None:
        """Whatever was suggested, however long ago: it may have nothing to do by now, but it is a command."""
        if not self.suggested:
            return
        words = shlex.split(self.chance.choice(self.suggested))[1:]
        self.done.append(f"  hint: {words}")
        said = self.follow(words)
        assert "no such job" not in said.stderr or words[0] in ("retry", "accept", "cancel", "logs"), said

    def follow(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        for place in (self.main, self.beside):
            place.touch()
        more = {"attach": ["status"], "cancel": ["cancel", "--yes"]}.get(words[0], words[:1])
        detached = ["--detach"] if words[0] in ("run", "retry", "accept") else []
        return self.runexp(*more, *detached, *words[1:])

    def alive(self) -> None:
        assert self.home.daemon is not None
        assert self.home.daemon.poll() is None, f"the daemon ended: {self.home.log()[-2000:]}"

    def is_quiet(self, place: Place) -> bool:
        """It has ended, or nothing of it goes on until a person decides."""
        view = self.status(place)
        if view is None or view["outcome"] is not None:
            return True
        stages = {job["stage"] for job in view["jobs"]}
        waits = {job["detail"] for job in view["jobs"] if job["stage"] == "planned"}
        return "in_doubt" in stages and not stages & set(UNDER_WAY) and "waits for its turn" not in waits

    def rest(self) -> None:
        for place in (self.main, self.beside):
            wait_for(lambda place=place: self.is_quiet(place), f"{place.name} comes to rest", 60)  # type: ignore[misc]

    def settle(self) -> None:
        """Nothing that was whole has run again; what is whole now is not to."""
        for place in (self.main, self.beside):
            for name, before in place.settled.items():
                assert place.ran(name) == before, f"{name} was verified, and ran again"
            view = self.status(place)
            good = Counter(job["run"] for job in view["jobs"] if job["stage"] != "verified") if view else None
            if good is None:
                continue
            whole = [
                run
                for run in place.runs.values()
                if run.name in place.present and run.name not in place.links
            ]
            linked = {name for each in (self.main, self.beside) for name in each.links}
            place.settled = {
                run.name: place.ran(run.name)
                for run in whole
                if not good[run.name] and place.is_whole(run) and run.name not in linked
            }

    def finish(self, place: Place) -> None:
        """Everything mended: `run`, and one `retry`."""
        for name, run in place.runs.items():
            place.runs[name] = replace(run, fate="ok", eval_fate="ok", seconds=0.1)
        place.present = list(place.runs)
        place.write()
        self.runexp("run", "--detach", "--barrier", "all", "--on-failure", "continue", str(place.dir))
        self.rest()
        view = self.status(place)
        undone = [job["id"] for job in view["jobs"] if job["stage"] != "verified" and not job["retired"]]
        doubted = any(job["stage"] == "in_doubt" for job in view["jobs"])
        if undone:
            self.runexp("retry", "--detach", place.name, *(undone if doubted else []))
            self.rest()
        self.train_anew_what_was_accepted_though_it_was_gone(place)
        states = {
            job["id"]: (job["state"], job["detail"])
            for job in self.status(place)["jobs"]
            if not job["retired"]
        }
        assert not {id: said for id, said in states.items() if said[0] != "VERIFIED"}
        assert self.status(place)["outcome"] == "succeeded"

    def train_anew_what_was_accepted_though_it_was_gone(self, place: Place) -> None:
        """There is no model for its evaluations, which a person has chosen."""
        jobs = {job["id"]: job for job in self.status(place)["jobs"] if not job["retired"]}
        failed = {job["run"] for job in jobs.values() if job["state"] == "FAILED"}
        taken = [run for run in failed if "taken as it is" in jobs.get(run, {"detail": ""})["detail"]]
        if taken:
            self.runexp("rerun", "--yes", "--detach", place.name, *taken)
            self.rest()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home", CONFIG)
    home.start()
    yield home
    home.stop()


@pytest.mark.timeout(60 + 30 * ROUNDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_or_run_twice_whatever_is_edited(home: Home, tmp_path: Path, seed: int) -> None:
    editor = Editor(home, tmp_path, seed)
    try:
        for place in (editor.main, editor.beside):
            editor.run(place)
        for _ in range(ROUNDS):
            for _ in range(editor.chance.randint(1, 6)):
                editor.edit()
            editor.rest()
            editor.settle()
        editor.rest()
        if editor.beside.links:
            editor.link(editor.beside)
        for place in (editor.main, editor.beside):
            editor.finish(place)
        editor.alive()
        check(editor, home)
    except BaseException:
        print("\n".join(editor.done))
        raise


def check(editor: Editor, home: Home) -> None:
    tokens = Counter(os.listdir(home.dir / "state" / "local" / "tokens"))
    intended = Counter(event["token"] for event in home.of_type("AttemptIntended"))
    assert max(intended.values(), default=1) == 1
    assert intended.keys() - tokens.keys() <= {
        event["token"] for kind in ("SubmitRefused", "SubmitDeferred") for event in home.of_type(kind)
    } | set(intended) - {event["token"] for event in home.of_type("SubmitAccepted")}
    ran = Counter(id for place in (editor.main, editor.beside) for _, id in job_ids(place.dir))
    assert max(ran.values()) == 1, "a job's script ran twice"
    assert ran.keys() <= set(os.listdir(home.dir / "state" / "local" / "jobs"))
    log = home.log()
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:4000]
    for place in (editor.main, editor.beside):
        assert overlaps(place.dir) == ""
        for name, action in (("torchtune", "SUBMIT_JOB"), ("inspect", "SUBMIT_EVAL")):
            submitted = Counter(harvested(place.dir / f"run-{name}.log", action))
            assert not [each for each, count in submitted.items() if count > 1], "a block was written twice"
            assert blocks(place.dir / f"run-{name}.log")
