"""Whatever the world says and whoever edits what in between: the promises hold, and every experiment can be brought to its end.

Answers are drawn from what is due, so they match; wrong, late, doubled and lost ones are mixed in. What took effect is counted:
a rule that no longer reaches an event or a transition doesn't test it.
"""

import os
from collections.abc import Iterable
from random import Random
from typing import Any, assert_never, get_args

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import Phase as Step
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from msgspec.structs import replace

from core import replies
from core.directories import POOL, Directory
from core.witness import HAPPENED, JOB_STEPS, PHASE_STEPS, Witness
from fakes.builders import GOOD, everything_owed, helpful
from runexp.wire import events, states
from runexp.wire.jobs import BEFORE, Barrier, Finding, IfChanged, OnFailure, Policy, Verdict
from runexp.wire.settings import Settings
from runexp.wire.states import Outcome, PhaseState, Stage
from runexpd.core import commands, lifecycle
from runexpd.core.observations import (
    AcceptWanted,
    AsideDone,
    CancelWanted,
    Judged,
    Listed,
    MendDone,
    Observation,
    RerunWanted,
    Restored,
    RetryWanted,
    ScaffoldSeen,
    SettingWanted,
    SightWanted,
    Tick,
)
from runexpd.core.steps import forecast, prepare
from runexpd.core.steps.plan import contested
from runexpd.core.steps.submit import wake_at

FIRST, SECOND = "e1", "e2"


#: What the one has counted, the other looks at.
pytestmark = [pytest.mark.xdist_group("machine"), pytest.mark.long]


class Machine(RuleBasedStateMachine):
    world: Witness

    @initialize(max_submit=st.integers(1, 6), stagger=st.sampled_from([0.0, 0.0, 5.0]), shared=st.booleans())
    def begin(self, max_submit: int, stagger: float, shared: bool) -> None:
        self.world = Witness(max_submit=max_submit, stagger_seconds=stagger)
        self.directories = {
            FIRST: Directory(FIRST, "/exp", POOL[:2]),
            SECOND: Directory(SECOND, "/two", ["rank4"], {"rank4": "/exp/rank4"} if shared else {}),
        }
        #: What a look at a place's results finds.
        self.disk: dict[str, Verdict] = {}
        self.said: list[Observation] = []
        self.tell(self.seen(FIRST))

    def tell(self, observation: Observation) -> None:
        note(f">> {observation}")
        self.said.append(observation)
        for event in self.world.see(observation):
            note(f"      {event}")

    @rule(seed=st.integers(0, 2**32 - 1))
    def step(self, seed: int) -> None:
        """Hypothesis has one number a step to try and to leave out; the same one again is another throw."""
        dice = Random(seed * 100_003 + len(self.said))
        if not self.owed():
            self.somebody_edits(dice)
            dice.choice([self.somebody_runs, self.somebody_runs, self.somebody_retries])(dice)
        weights = {
            self.the_world_answers: 12,
            self.time_passes: 2,
            self.something_old: 1,
            self.something_wrong: 1,
            self.somebody_edits: 3,
            self.somebody_runs: 4,
            self.somebody_retries: 2,
            self.somebody_wants_anew: 1,
            self.somebody_accepts: 1,
            self.somebody_cancels: 2,
            self.somebody_sets: 1,
            self.somebody_archives: 1,
            self.somebody_restores: 1,
        }
        (doing,) = dice.choices(list(weights), list(weights.values()))
        doing(dice)

    def which(self, dice: Random) -> str:
        return dice.choice([FIRST, FIRST, SECOND])

    def owed(self) -> list[commands.Command]:
        return everything_owed(self.world.state, self.world.now)

    # What is due is answered.

    def the_world_answers(self, dice: Random) -> None:
        for _ in range(dice.randint(1, 6)):
            if left := self.owed():
                command = dice.choice(left)
                slow = isinstance(command, commands.Resolve | commands.Mend) and dice.random() < 0.8
                self.react(dice, None if slow else command)

    def react(self, dice: Random, command: commands.Command | None) -> None:
        match command:
            case commands.Submit() | commands.Resolve():
                self.tell(replies.sent(dice, command))
            case commands.Watch():
                self.tell(replies.look(dice, command) if dice.random() < 0.3 else self.a_round(dice))
            case commands.Judge():
                self.judge(command, dice.choice(replies.VERDICTS), final=dice.random() < 0.5)
            case commands.Mend():
                refused = dice.choice(["", "", "batch_size is there twice"])
                about: Any = {"experiment": command.experiment, "job": command.job}
                self.tell(MendDone(**about, number=command.number, refused=refused))
            case commands.Prepare() | commands.EndPreparation():
                self.tell(replies.prepared(dice, command))
            case commands.SetAside():
                refused = dice.choice(["", "", "", "no space left"])
                about = {"experiment": command.experiment, "job": command.job.id}
                self.tell(AsideDone(**about, number=command.number, refused=refused))
            case commands.Record():
                self.tell(helpful(command))
            case commands.Cancel() | None:
                self.tell(Tick())
            case _:
                assert_never(command)

    def a_round(self, dice: Random) -> Listed:
        """Of some jobs, in any order, one of them perhaps twice."""
        watched = [c for c in self.owed() if isinstance(c, commands.Watch)]
        return Listed(
            reports=tuple(
                replies.report(dice, w, self.world.now) for w in dice.choices(watched, k=dice.randint(1, 4))
            )
        )

    def judge(self, ended: commands.Judge, verdict: Verdict, *, final: bool = True) -> None:
        """One that is unclear may be looked at again before it is final."""
        found = replace(verdict, begun_at=ended.started_at)
        self.disk[ended.job.place] = found
        about: Any = {"experiment": ended.experiment, "job": ended.job.id, "token": ended.token}
        self.tell(Judged(**about, verdict=found, final=final or verdict.finding is not Finding.UNCLEAR))

    def go_on(self, command: commands.Command) -> None:
        if isinstance(command, commands.Judge):
            self.judge(command, GOOD)
        else:
            self.tell(helpful(command))

    # What is wrong, late, or twice.

    def something_old(self, dice: Random) -> None:
        answers = [s for s in self.said if not isinstance(s, ScaffoldSeen | RetryWanted | RerunWanted)]
        if answers:
            self.tell(dice.choice(answers))

    def something_wrong(self, dice: Random) -> None:
        """An answer about a job that its token isn't of says nothing."""
        job, which = dice.choice([*POOL, "base/words", "never/there"]), dice.choice([*self.directories, "e9"])
        experiment = self.world.state.experiments.get(which)
        tokens = [a.token for j in experiment.jobs.values() for a in j.attempts] if experiment else ["e9-1"]
        known = experiment.jobs.get(job) if experiment else None
        token = dice.choice(
            [t for t in tokens if known is None or t not in {a.token for a in known.attempts}] or ["e9-2"]
        )
        for observation in replies.of(which, job, token):
            assert self.world.see(observation) == []

    def time_passes(self, dice: Random) -> None:
        self.world.now += dice.choice([1.0, 6.0, 30.0, 30.0, -3600.0, 86400.0])
        self.tell(Tick())

    # Somebody edits.

    def somebody_edits(self, dice: Random) -> None:
        for _ in range(dice.randint(1, 3)):
            directory = self.directories[self.which(dice)]
            if dice.random() < 0.2:
                self.touch_files(dice, directory)
            else:
                directory.edit(dice)

    def touch_files(self, dice: Random, directory: Directory) -> None:
        """By hand: results that vanish, that appear, or of which nobody can tell."""
        place = dice.choice([spec.place for spec in directory.specs()])
        self.disk[place] = replace(
            dice.choice(replies.VERDICTS), begun_at=dice.choice([None, self.world.now])
        )

    # Somebody asks.

    def seen(self, which: str, queued: Iterable[str] = ()) -> ScaffoldSeen:
        experiment = self.world.state.experiments.get(which)
        jobs = experiment.jobs if experiment else {}
        return self.directories[which].seen(self.disk, queued, len(self.said), jobs)

    def by_hand(self, dice: Random, which: str) -> list[str]:
        """What somebody submitted beside us: not where something of ours is under way."""
        busy = self.world.busy_places()
        free = [spec.id for spec in self.directories[which].specs() if spec.place not in busy]
        return dice.sample(free, min(len(free), dice.choice([0, 0, 0, 1, 2])))

    def named(self, dice: Random, which: str, *stages: Stage) -> tuple[str, ...]:
        """None, or some for which it is likely to mean something."""
        jobs = self.world.state.experiments[which].jobs if which in self.world.state.experiments else {}
        stage = dice.choice([s for s in stages if any(j.stage is s for j in jobs.values())] or [None])
        likely = [id for id, job in jobs.items() if job.stage is stage] or [*jobs, "never/there"]
        named = dice.sample(likely, min(len(likely), dice.choice([0, 1, 1, 2])))
        return (*named, BEFORE) if self.holds(which) and dice.random() < 0.5 else tuple(named)

    def holds(self, which: str) -> bool:
        """Whether the evaluations wait for a person, since what was run before them failed."""
        experiment = self.world.state.experiments.get(which)
        return experiment is not None and not experiment.outcome and prepare.is_meant(experiment, ())

    def somebody_runs(self, dice: Random) -> None:
        if dice.random() < 0.5:
            self.somebody_edits(dice)
        which = self.which(dice)
        seen = self.seen(which, self.by_hand(dice, which))
        self.tell(self.with_changes(dice, seen))

    def with_changes(self, dice: Random, seen: ScaffoldSeen) -> ScaffoldSeen:
        """Some of what is verified is of another recipe now."""
        jobs, known = [job.id for job in seen.jobs], self.world.state.experiments.get(seen.experiment)
        verified = [
            id for id in jobs if known and id in known.jobs and known.jobs[id].stage is Stage.VERIFIED
        ]
        some = dice.sample(verified, min(len(verified), dice.choice([0, 0, 1, 2])))
        return replace(
            seen,
            changes={id: (dice.choice(["lora_rank 4 -> 2", "lr 0.1 -> 0.2"]),) for id in some},
            changed=dice.choice(list(IfChanged)),
            recipes=dict.fromkeys(jobs, "0f0f") if dice.random() < 0.3 else {},
        )

    def somebody_retries(self, dice: Random) -> None:
        which = self.which(dice)
        jobs = self.named(dice, which, Stage.FAILED, Stage.IN_DOUBT, Stage.SKIPPED)
        self.tell(RetryWanted(seen=self.seen(which, self.by_hand(dice, which)), jobs=jobs))

    def somebody_wants_anew(self, dice: Random) -> None:
        which = self.which(dice)
        jobs = self.named(dice, which, Stage.VERIFIED, Stage.FAILED, Stage.IN_DOUBT, Stage.SKIPPED)
        self.tell(RerunWanted(seen=self.seen(which), jobs=jobs))

    def somebody_accepts(self, dice: Random) -> None:
        which = self.which(dice)
        self.tell(AcceptWanted(experiment=which, jobs=self.named(dice, which, Stage.FAILED, Stage.IN_DOUBT)))

    def somebody_cancels(self, dice: Random) -> None:
        which = self.which(dice)
        jobs = self.named(dice, which, *(stage for stage in Stage if stage not in states.SETTLED))
        before = (BEFORE,) if dice.random() < 0.2 else ()
        self.tell(CancelWanted(experiment=which, jobs=(*jobs, *before)))

    def somebody_sets(self, dice: Random) -> None:
        """For now; the next `run` of hers is with what she remembers of it."""
        which = self.which(dice)
        known = self.world.state.experiments.get(which)
        typed = Settings(
            max_submit=dice.choice([None, None, 1, 2]),
            stagger_seconds=dice.choice([None, 0.0, 20.0]),
            on_failure=dice.choice(list(OnFailure)),
            barrier=dice.choice(list(Barrier)),
        )
        self.directories[which].policy = typed.put_into(known.policy if known else Policy())
        self.tell(SettingWanted(experiment=which, typed=typed))

    def somebody_archives(self, dice: Random) -> None:
        for which, known in self.world.state.experiments.items():
            self.tell(SightWanted(experiment=which, archived=not known.archived))

    def somebody_restores(self, dice: Random) -> None:
        """A ledger that nothing had happened to since: what its tokens are afterwards is as if much had."""
        most = max(e.tokens for e in self.world.state.experiments.values())
        self.tell(Restored(tokens=most + dice.choice([1, 1000])))

    # Faults end; everything comes to an end, and can go on.

    def teardown(self) -> None:
        if self.world.sound:
            self.world.check_replay()
            self.drain()
            self.look_what_happened_since()
            for id in self.world.state.experiments:
                self.check_end(id)
            for id in self.world.state.experiments:
                self.world.see(AcceptWanted(experiment=id, jobs=self.doubts(id)))
                self.drain()
            for id in self.world.state.experiments:
                self.check_that_one_retry_is_enough(id)
            self.world.check_replay()

    def look_what_happened_since(self) -> None:
        """As one is asked to after a restore; where two share a directory, the second once the first is done."""
        for id in [*self.world.state.experiments, *self.world.state.experiments]:
            if self.world.state.experiments[id].restored:
                owed = [command for command in self.owed() if command.experiment == id]
                assert all(isinstance(c, commands.Watch | commands.Judge) for c in owed)
                self.tell(self.seen(id))
                self.drain()

    def drain(self) -> None:
        """As World.drain, with results on disk."""
        for _ in range(100):
            self.world.now += 30.0
            self.tell(Tick())
            left = self.owed()
            if not left and wake_at(self.world.state, self.world.now) is None:
                return
            for command in left:
                self.go_on(command)
        raise AssertionError(f"it never comes to rest: {left}")

    def doubts(self, which: str) -> tuple[str, ...]:
        current = self.world.state.experiments[which].current
        before = (BEFORE,) if self.holds(which) else ()
        return (*(job.spec.id for job in current if job.stage is Stage.IN_DOUBT), *before)

    def check_end(self, which: str) -> None:
        """Over, or waiting for a person, who has three ways out."""
        doubts = self.doubts(which)
        experiment = self.world.state.experiments[which]
        assert (experiment.outcome is None) == bool(doubts), [
            (j.spec.id, j.stage) for j in experiment.current
        ]
        self.check_advice(which)
        self.check_that_what_holds_can_be_let_go(which)
        for job in (job for job in doubts if job != BEFORE):
            accepted = AcceptWanted(experiment=which, jobs=(job,))
            run = self.world.state.experiments[which].jobs[job].spec.run
            retried = RetryWanted(seen=self.seen(which), jobs=(job, run))  # its model may be gone
            ways_out: list[Observation] = [accepted, CancelWanted(experiment=which, jobs=(job,))]
            there = job in {spec.id for spec in retried.seen.jobs} and not contested(
                self.world.state, retried.seen, (job, run)
            )
            for way_out in [*ways_out, *([retried] if there else [])]:
                fork = self.world.fork()
                fork.see(way_out)
                fork.drain()
                assert fork.state.experiments[which].jobs[job].stage is not Stage.IN_DOUBT, way_out

    def check_that_what_holds_can_be_let_go(self, which: str) -> None:
        if self.holds(which):
            retried = RetryWanted(seen=self.seen(which), jobs=(BEFORE,))
            ways_out: list[Observation] = [retried, AcceptWanted(experiment=which, jobs=(BEFORE,))]
            for way_out in ways_out:
                fork = self.world.fork()
                fork.see(way_out)
                fork.drain()
                assert not prepare.holds(fork.state.experiments[which]), way_out

    def check_advice(self, which: str) -> None:
        """What is suggested for a job is taken, where the scaffold still has it and no other trains there."""
        experiment, seen = self.world.state.experiments[which], self.directories[which].seen({}, (), 0)
        for job in experiment.current:
            if job.stage in (Stage.FAILED, Stage.IN_DOUBT) and job.spec.id in {s.id for s in seen.jobs}:
                named = (*forecast.missing(experiment, job), job.spec.id)
                told = self.world.fork().see(RetryWanted(seen=seen, jobs=named))
                there = set(named) <= {spec.id for spec in seen.jobs}
                assert told or not there or contested(self.world.state, seen, named), named

    def check_that_one_retry_is_enough(self, which: str) -> None:
        self.directories[which].policy = Policy()
        self.world.see(self.seen(which))
        self.drain()
        self.world.see(AcceptWanted(experiment=which, jobs=self.doubts(which)))
        self.drain()
        self.world.see(RetryWanted(seen=self.seen(which), jobs=()))
        self.drain()
        experiment = self.world.state.experiments[which]
        assert experiment.outcome is Outcome.SUCCEEDED, [
            (j.spec.id, j.stage, j.detail) for j in experiment.current
        ]


#: Never by the core of today: ledgers hold it twice, since `retry` once closed what was running, and opened it again.
OF_OLDER_LEDGERS = {(PhaseState.RUNNING, events.PhaseOpened)}
EXAMPLES = int(os.environ.get("RUNEXP_MACHINE_EXAMPLES", "0"))

#: A failure is made small first, which takes its time.
TestMachine = pytest.mark.timeout(900)(Machine.TestCase)
TestMachine.settings = settings(
    max_examples=EXAMPLES or 120,
    stateful_step_count=80,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    phases=[Step.generate, Step.shrink],
    suppress_health_check=list(HealthCheck),
)


def test_every_event_happened_and_every_transition_took_effect() -> None:
    """Counts what the machine above came to; it runs after it, in this file's order."""
    assert HAPPENED, "the machine didn't run"
    kinds: tuple[type[events.Event], ...] = get_args(events.Event)
    assert not [kind.__name__ for kind in kinds if not HAPPENED[kind]]
    assert not [(str(stage), kind.__name__) for stage, kind in lifecycle.JOB if not JOB_STEPS[stage, kind]]
    phases = lifecycle.PHASE.keys() - OF_OLDER_LEDGERS
    assert not [(str(state), kind.__name__) for state, kind in phases if not PHASE_STEPS[state, kind]]
