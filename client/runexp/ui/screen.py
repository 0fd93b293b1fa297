"""What the live view draws: a view as a screenful. Pure but for the clock behind running times."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from runexp import report
from runexp.output import clean, one_line
from runexp.ui import rows
from runexp.wire.states import SETTLED, Phase, Stage
from runexp.wire.views import ExperimentView, JobView

COLOURS = {
    Stage.PLANNED: "dim",
    Stage.SUBMITTING: "cyan",
    Stage.UNCLEAR: "bold yellow",
    Stage.QUEUED: "blue",
    Stage.ENDED: "cyan",
    Stage.VERIFIED: "green",
    Stage.FAILED: "bold red",
    Stage.IN_DOUBT: "bold yellow",
    Stage.MENDING: "yellow",
    Stage.SKIPPED: "dim yellow",
}
#: What is shown first where not all fits.
_URGENCY = [
    Stage.FAILED, Stage.IN_DOUBT, Stage.UNCLEAR, Stage.MENDING, Stage.QUEUED, Stage.ENDED, Stage.SUBMITTING, Stage.PLANNED,
    Stage.SKIPPED, Stage.VERIFIED,
]  # fmt: skip
#: Lines that aren't jobs: headings, recent events, the key line.
_OTHER_LINES = 16
_NAME_CELLS = 48


def draw(view: ExperimentView, recent: Sequence[str], trouble: str, height: int) -> RenderableType:
    parts: list[RenderableType] = [_headline(view)]
    if trouble or view.trouble:
        parts.append(Text(clean(f"! {trouble or view.trouble}"), style="bold yellow"))
    # Evaluations differ in their last letters: a name is cut only where it would take the screen.
    names = min(_NAME_CELLS, 2 + max((len(job.id) for job in view.jobs), default=0))
    shown = _fitting(view.jobs, max(4, height - _OTHER_LINES))
    for phase in Phase:
        jobs = [job for job in view.jobs if job.phase is phase and not job.retired]
        if jobs:
            parts += [Text(""), _phase_line(view, phase, jobs)]
            parts.append(_table([job for job in jobs if job.id in shown], names, rows.clock(view)))
    if retired := [job for job in view.jobs if job.retired and job.id in shown]:
        parts += [Text(""), Text("No longer in the scaffold", style="bold")]
        parts.append(_table(retired, names, rows.clock(view)))
    hidden = len(view.jobs) - len(shown)
    if hidden:
        parts.append(Text(f"  and {hidden} more: runexp status {clean(view.typed)}", style="dim"))
    parts.append(Text(""))
    parts += [
        Text(clean(line.splitlines()[0]), style="dim", no_wrap=True, overflow="ellipsis") for line in recent
    ]
    parts.append(Text("d detaches; the jobs go on", style="dim italic"))
    return Group(*parts)


def _headline(view: ExperimentView) -> Text:
    took = report.duration(max(0.0, rows.clock(view) - view.asked_at))
    line = Text(clean(view.name), style="bold")
    line.append(clean(f"  {view.id} on {view.cluster}, {took}  {view.dir}"), style="dim")
    return line.append(f"  {rows.age(view)}", style="dim")


def _phase_line(view: ExperimentView, phase: Phase, jobs: Sequence[JobView]) -> Text:
    done = sum(job.stage in SETTLED for job in jobs)
    width = 20
    filled = width * done // len(jobs)
    line = Text(f"{phase.capitalize():<13}", style="bold")
    line.append("━" * filled, style="green").append("━" * (width - filled), style="dim")
    return line.append(f"  {done}/{len(jobs)}  {getattr(view, phase)}", style="dim")


def _fitting(jobs: Sequence[JobView], room: int) -> set[str]:
    """The most urgent that fit."""
    by_urgency = sorted(jobs, key=lambda job: _URGENCY.index(job.stage))
    return {job.id for job in by_urgency[:room]}


def _table(jobs: Sequence[JobView], name_cells: int, now: float) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), expand=True)
    table.add_column(no_wrap=True, overflow="ellipsis", width=name_cells)
    table.add_column(no_wrap=True, width=13)
    table.add_column(no_wrap=True, justify="right", min_width=4)
    table.add_column(no_wrap=True, justify="right", min_width=10)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for job in jobs:
        name, state, number, took, remark = (one_line(cell) for cell in rows.job_row(job, now))
        colour = COLOURS[job.stage]
        table.add_row(
            Text(f"  {name}"), Text(state, style=colour), Text(number), Text(took), Text(remark, style="dim")
        )
    return table
