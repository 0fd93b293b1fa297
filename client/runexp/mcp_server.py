"""What an agent may ask over the Model Context Protocol: the library's verbs as tools; what changes something only where it is allowed.

Answers are small: an agent reads every word. Waiting is the daemon's: one call instead of a loop of looks.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import anyio
import anyio.to_thread
import msgspec
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from runexp import __version__, aio, comparing, reports
from runexp.connection import Lost, NoDaemon, Refusal, Unsendable
from runexp.reporting import side_by_side
from runexp.waiting import Goal
from runexp.wire.jobs import Barrier, OnFailure
from runexp.wire.requests import Choices
from runexp.wire.states import Stage
from runexp.wire.views import ExperimentView, JobView

P = ParamSpec("P")
R = TypeVar("R")

INSTRUCTIONS = """\
runexp runs scaffolded fine-tuning experiments (torchtune, then inspect-ai) on Slurm through a daemon that outlives you.
An experiment is named by its name, its directory, or the beginning of its id. Don't poll: `wait` returns when it has ended, when all
trainings are judged (until=barrier), at the first failure (until=failure), or after timeout_seconds; nothing stops when you stop waiting.
"""
#: Of one answer.
MOST_JOBS, MOST_POINTS, MOST_LOG_BYTES = 50, 500, 20_000
MOST_WAIT_SECONDS = 3600.0


def server(*, allow_changes: bool) -> MCPServer:
    """With the tools that change something only where that is allowed."""
    made = MCPServer("runexp", instructions=INSTRUCTIONS, version=__version__, log_level="ERROR")
    for tool in (list_experiments, status, wait, report_of, scores, metrics, log, recipe, compare, plan):
        _add(made, tool, ToolAnnotations(read_only_hint=True))
    if allow_changes:
        for tool in (run, retry):
            _add(made, tool, ToolAnnotations(read_only_hint=False, destructive_hint=False))
        _add(made, cancel, ToolAnnotations(read_only_hint=False, destructive_hint=True))
    return made


def _add(made: MCPServer, tool: Callable[..., Awaitable[Any]], annotations: ToolAnnotations) -> None:
    made.add_tool(
        _refusing(tool),
        name=tool.__name__,
        description=tool.__doc__,
        annotations=annotations,
        structured_output=False,
    )


def _refusing(tool: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """With what the daemon refuses as the tool's error, in its words."""

    @wraps(tool)
    async def refusing(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await tool(*args, **kwargs)
        except Refusal as refusal:
            refused = refusal.refused
            raise ToolError("; ".join(filter(None, (refused.what, refused.where, refused.hint)))) from None
        except (NoDaemon, Unsendable) as error:
            raise ToolError(f"{error.what}; {error.hint}") from None
        except Lost:
            raise ToolError("the daemon went away; the jobs go on") from None

    return refusing


async def list_experiments(running_only: bool = False) -> str:
    """Every experiment that the daemon knows, the newest first, with its outcome and its jobs by state."""
    known = await (await aio.connect()).experiments()
    return _json([each for each in known if each.outcome is None or not running_only][:MOST_JOBS])


async def status(experiment: str, state: str = "") -> str:
    """How an experiment stands: phases, jobs by state, what failed and why, what hinders it. With `state` (FAILED, RUNNING), those jobs."""
    view = await (await _named(experiment)).status()
    jobs = [job for job in view.jobs if (job.state == state if state else _is_worth_a_word(job))]
    return _json(
        _stand(view)
        | {"jobs": [_short(job) for job in jobs[:MOST_JOBS]], "jobs_left_out": max(0, len(jobs) - MOST_JOBS)}
    )


async def wait(experiment: str, until: Goal = Goal.END, timeout_seconds: float = 600.0) -> str:
    """Wait until an experiment has ended, for the barrier, or for the first failure; at most timeout_seconds (up to 3600)."""
    named = await _named(experiment)
    with anyio.move_on_after(min(timeout_seconds, MOST_WAIT_SECONDS)):
        return _json({"reached": True, **msgspec.to_builtins(await named.wait(until))})
    return _json({"reached": False, **_stand(await named.status())})


async def report_of(experiment: str) -> str:
    """The combined summary as Markdown: results, failures with reasons, scores, paths, next steps."""
    summary = await (await _named(experiment)).report()
    return await anyio.to_thread.run_sync(lambda: reports.written(summary, "markdown"))


async def scores(experiment: str) -> str:
    """Every score: run, task, epoch, value, standard error, samples, and what was chosen for the run."""
    return _json((await (await _named(experiment)).scores()).dicts())


async def metrics(experiment: str, names: list[str] | None = None, job: str = "", points: int = 40) -> str:
    """What runs did at each step: of the series named (loss, lr, ...), at most so many points of each, extremes kept."""
    rows = await (await _named(experiment)).metrics(
        *(names or ["loss"]), jobs=[job] if job else [], points=max(1, min(points, MOST_POINTS))
    )
    series: dict[str, list[tuple[int, float | None]]] = {}
    for row in rows:
        series.setdefault(f"{row.job} {row.series} attempt {row.attempt}", []).append((row.step, row.value))
    return _json(dict(list(series.items())[:MOST_JOBS]))


async def log(experiment: str, job: str = "", tail_bytes: int = 4000) -> str:
    """The end of what a job printed; without a job, of the experiment's own log."""
    named = await _named(experiment)
    return await named.log(job or None, max(1, min(tail_bytes, MOST_LOG_BYTES)))


async def recipe(experiment: str, job: str) -> str:
    """What exactly ran, as it was when the job was sent: resolved settings, data, versions, commit."""
    shown = await (await _named(experiment)).recipe(job)
    return _json(shown.recipe)


async def compare(experiments: list[str]) -> str:
    """Experiments side by side as Markdown: what differs in them, and their scores with 95 % intervals."""
    if len(experiments) < 2:
        raise ToolError("name two experiments or more")
    reports = [await (await _named(name)).report() for name in experiments]
    recipes = [await (await _named(each.id)).recipes(comparing.to_be_compared(reports)) for each in reports]
    return side_by_side.markdown(comparing.compared(reports, recipes))


async def plan(directory: str) -> str:
    """What `run` would submit, skip or leave, job by job, and why. Changes nothing. `directory`: a path here, or CLUSTER:/path."""
    return _json(await (await aio.connect()).plan(directory))


async def run(
    directory: str,
    on_failure: OnFailure | None = None,
    barrier: Barrier | None = None,
    optimize_only: bool = False,
) -> str:
    """Enter an experiment and submit what is owed; returns at once. What succeeded before is never submitted again."""
    choices = Choices(
        on_failure=msgspec.UNSET if on_failure is None else on_failure,
        barrier=msgspec.UNSET if barrier is None else barrier,
        optimize_only=optimize_only,
    )
    experiment = await (await aio.connect()).run(directory, choices)
    return _json(_stand(await experiment.status()))


async def retry(experiment: str, jobs: list[str] | None = None) -> str:
    """Submit what failed again, all of it or the jobs named, after it was mended."""
    return _json({"owed_again": await (await _named(experiment)).retry(*(jobs or []))})


async def cancel(experiment: str, jobs: list[str]) -> str:
    """End the jobs named, or, with the single word `all`, every job of the experiment. What was done stays done."""
    if not jobs:
        raise ToolError("name the jobs, or say `all`")
    return _json({"cancelling": await (await _named(experiment)).cancel(*([] if jobs == ["all"] else jobs))})


async def _named(experiment: str) -> aio.Experiment:
    return await (await aio.connect()).experiment(experiment)


def _is_worth_a_word(job: JobView) -> bool:
    return not job.retired and (job.stage in (Stage.FAILED, Stage.IN_DOUBT) or bool(job.health))


def _stand(view: ExperimentView) -> dict[str, Any]:
    counts = Counter(job.state for job in view.jobs if not job.retired)
    return {
        "id": view.id,
        "name": view.name,
        "directory": f"{view.cluster}:{view.dir}",
        "outcome": view.outcome or "under way",
        "optimization": view.optimization,
        "evaluation": view.evaluation,
        "jobs_by_state": counts,
        "trouble": view.trouble,
        "warnings": view.warnings[:10],
        "estimates": view.estimates,
    }


def _short(job: JobView) -> dict[str, Any]:
    return {
        "id": job.id,
        "state": job.state,
        "detail": job.detail,
        "failure": job.failure,
        "health": [each.what for each in job.health],
        "output": job.output,
        "progress": job.progress,
    }


def _json(document: Any) -> str:
    return msgspec.json.encode(document).decode()
