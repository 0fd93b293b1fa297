"""What is shown of a job is made anew when something of it has changed, and only then."""

from fakes.builders import World, scaffold
from runexp.wire.jobs import Progress
from runexpd.core.observations import Accepted
from runexpd.core.steps import report
from runexpd.core.steps.jobviews import Drawn


def drawn(world: World, before: dict[str, Drawn]) -> dict[str, Drawn]:
    return report.drawn(world.experiment, "words", {}, {}, before)


def test_only_what_changed_is_made_anew() -> None:
    world = World(max_submit=10)
    world.see(scaffold(["a", "b"]))
    for run in ("a", "b"):
        world.see(
            Accepted(
                experiment=world.experiment.id, job=run, token=world.token(run), slurm_job_id="7", output="/o"
            )
        )
    first = drawn(world, {})
    assert all(first[id].view is again.view for id, again in drawn(world, first).items())
    world.show("a", "RUNNING")
    second = drawn(world, first)
    assert {id for id in first if first[id].view is not second[id].view} == {"a"}
    third = report.drawn(world.experiment, "words", {world.token("a"): Progress(done=1, total=2)}, {}, second)
    assert {id for id in first if third[id].view is not second[id].view} == {"a"}
    assert third["a"].view.progress == Progress(done=1, total=2)
    assert third == drawn(world, {}) | {"a": third["a"]}
