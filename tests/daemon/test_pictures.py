"""What changed travels, and whoever follows has the whole of it."""

from collections.abc import Mapping

import pytest

from fakes.builders import ID, World, scaffold
from runexp import connection
from runexp.wire import framing, requests
from runexp.wire.jobs import Progress
from runexp.wire.views import ExperimentView
from runexpd.api import pictures
from runexpd.api.pictures import Picture, Pictures
from runexpd.core.observations import Accepted
from runexpd.core.steps import report
from runexpd.core.steps.jobviews import Drawn

RUNS = [f"r{n}" for n in range(20)]


def picture(kept: Pictures, world: World, progress: Mapping[str, Progress] | None = None) -> Picture:
    experiment, made = world.experiment, progress or {}

    def make(before: Mapping[str, Drawn]) -> tuple[dict[str, Drawn], ExperimentView]:
        drawn = report.drawn(experiment, "words", made, {}, before)
        return drawn, report.view(experiment, "words", drawn)

    return kept.of(ID, (experiment, made), make)


def begun() -> World:
    world = World(max_submit=100)
    world.see(scaffold(RUNS))
    for n, run in enumerate(RUNS):
        world.see(
            Accepted(experiment=ID, job=run, token=world.token(run), slurm_job_id=str(n + 1), output="/o")
        )
    return world


def test_what_a_client_puts_together_is_what_there_is() -> None:
    world, kept = begun(), Pictures()
    lines: list[bytes] = []
    wanted: list[ExperimentView] = []
    shown: ExperimentView | None = None
    for step in range(3 * len(RUNS)):
        if step % 3 == 0:
            world.show(RUNS[step // 3], "RUNNING")
        if step == 20:
            world.see(scaffold([*RUNS[1:], "new"]))
        made = {world.token("r7"): Progress(done=step, total=100)} if step % 3 == 1 else {}
        now = picture(kept, world, made)
        if now.view is not shown:
            lines.append(now.since(shown))
            wanted.append(now.view)
            shown = now.view
    replies = [framing.unpack_reply(line) for line in lines]
    assert {type(reply) for reply in replies[1:]} == {requests.Changed, requests.Shown}
    assert (
        len([reply for reply in replies if isinstance(reply, requests.Shown)]) == 2
    )  # the first, and the new scaffold
    put_together = [
        reply.experiment for reply in connection._whole(iter(replies)) if isinstance(reply, requests.Shown)
    ]
    assert put_together == wanted


def test_little_is_sent_of_what_changed_little() -> None:
    world, kept = begun(), Pictures()
    before = picture(kept, world)
    world.show("r3", "RUNNING")
    after = picture(kept, world)
    news = framing.unpack_reply(after.since(before.view))
    assert isinstance(news, requests.Changed)
    assert [job.id for job in news.experiment.jobs] == ["r3"]
    assert after.since(before.view) is after.since(before.view)  # encoded once
    assert after.since(None) == after.shown
    same = [old is new for old, new in zip(before.view.jobs, after.view.jobs, strict=True)]
    assert same.count(False) == 1


def test_one_that_stays_behind_is_told_all_that_it_missed() -> None:
    world, kept = begun(), Pictures()
    before = picture(kept, world)
    for run in ("r3", "r5", "r8"):
        world.show(run, "RUNNING")
        last = picture(kept, world)
        last.since(before.view)
    news = framing.unpack_reply(last.since(before.view))
    assert isinstance(news, requests.Changed)
    assert [job.id for job in news.experiment.jobs] == ["r3", "r5", "r8"]


def test_as_many_pictures_are_kept_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_JOBS_KEPT", 100)
    world, kept = begun(), Pictures()  # of 40 jobs
    made = picture(kept, world)
    for id in ("a", "b", "c"):
        kept.of(id, (), lambda before: (made.drawn, made.view))
    assert list(kept._kept) == ["b", "c"]
    monkeypatch.setattr(pictures, "MOST_JOBS_KEPT", 1)
    kept.of("d", (), lambda before: (made.drawn, made.view))
    assert list(kept._kept) == ["d"]


def test_none_is_kept_of_what_is_no_longer_at_hand() -> None:
    world, kept = begun(), Pictures()
    made = picture(kept, world)
    kept.of("gone", (), lambda before: (made.drawn, made.view))
    kept.keep({ID: world.experiment})
    assert list(kept._kept) == [ID]
