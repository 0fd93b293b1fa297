"""One experiment on a screen: what has come, what the person chose, and the lines that follow from both. Pure."""

from collections.abc import Sequence
from enum import StrEnum

from runexp.text import on_one_line
from runexp.ui import cells, detail, head, jobline, rows
from runexp.ui.jobline import Widths
from runexp.ui.joblist import Group, JobList
from runexp.ui.palette import Line, Span
from runexp.ui.plots import Plots
from runexp.ui.tail import Tail
from runexp.ui.told import Told
from runexp.wire.events import Envelope
from runexp.wire.views import ExperimentView, JobView


class Tab(StrEnum):
    """What is beside the jobs."""

    CURVES = "curves"
    OUTPUT = "output"
    JOB = "job"
    EVENTS = "events"


class Board:
    """Takes views, events and output in; gives lines."""

    def __init__(self, view: ExperimentView) -> None:
        self.jobs = JobList()
        self.tab = Tab.CURVES
        self.plots = Plots()
        #: The pane fills the screen.
        self.is_open = False
        #: What hinders between the daemon and us; empty when all is well.
        self.trouble = ""
        self.tail = Tail()
        self._widths: tuple[object, Widths] | None = None
        self._told = Told()
        self.show(view)

    def show(self, view: ExperimentView) -> None:
        """The experiment as it stands."""
        self.view = view
        self.jobs.show(view.jobs)
        self._stand = head.numbers(view)

    def tell(self, envelope: Envelope) -> None:
        """Something happened."""
        self._told.add(envelope)

    @property
    def job(self) -> JobView | None:
        """The chosen one."""
        chosen = self.jobs.chosen
        return None if isinstance(chosen, Group) else chosen

    def head(self, room: int, height: int) -> list[Line]:
        return head.lines(self.view, self._stand, self.trouble, room, height)

    def row(self, place: int, room: int) -> Line:
        """Of the list of jobs."""
        row = self.jobs.rows[place]
        if isinstance(row, Group):
            return jobline.group(row, room)
        now = rows.clock(self.view)
        return jobline.job(row, jobline.narrowed(self._columns(), room, now), room, now)

    def _columns(self) -> Widths:
        """What those in the list need, folded away or not shown aside."""
        shown = self.jobs.rows
        if self._widths is None or self._widths[0] is not shown:
            self._widths = shown, jobline.widths([row for row in shown if not isinstance(row, Group)])
        return self._widths[1]

    def curves(self, room: int, height: int) -> Sequence[Line]:
        """Of the chosen job; empty where there are none."""
        return self.plots.lines(self.job.id, room, height) if self.job else []

    def pane(self, tab: Tab, room: int, height: int) -> Sequence[Line]:
        """What is beside the jobs. Where there are no curves there is output."""
        if self.job is None and tab is not Tab.EVENTS:
            tab = Tab.JOB
        match tab:
            case Tab.CURVES:
                return self.curves(room, height) or self._output(room)
            case Tab.OUTPUT:
                return self._output(room)
            case Tab.JOB:
                return detail.lines(self.view, self.jobs.chosen, room)
            case Tab.EVENTS:
                return self._told.lines(room) or [(Span(" nothing has happened since you came", "dim"),)]

    def tabs(self, room: int, is_wide: bool) -> Line:
        """The line above the panes; where there is room for two, curves are to be seen anyway."""
        spans = [Span("─", "faint")]
        for number, tab in self._tabs(is_wide):
            spans.append(Span(f" {number} {tab} ", "chosen" if tab is self.shown_tab(is_wide) else "dim"))
        spans.append(Span("─ ", "faint"))
        name = on_one_line(self.job.id) if self.job else ""
        used = sum(cells.width(span.text) for span in spans)
        spans.append(Span(cells.cut_middle(name, max(0, room - used - 2)), "strong"))
        used = sum(cells.width(span.text) for span in spans)
        return (*spans, Span(" " + "─" * max(0, room - used - 1), "faint"))

    def shown_tab(self, is_wide: bool) -> Tab:
        return Tab.OUTPUT if is_wide and self.tab is Tab.CURVES else self.tab

    def _tabs(self, is_wide: bool) -> list[tuple[int, Tab]]:
        return [
            (number, tab) for number, tab in enumerate(Tab, start=1) if not (is_wide and tab is Tab.CURVES)
        ]

    def tab_at(self, x: int, is_wide: bool) -> Tab | None:
        """Which one is written at that cell of the line above the pane."""
        at = 1
        for number, tab in self._tabs(is_wide):
            at += len(f" {number} {tab} ")
            if x < at:
                return tab
        return None

    def forget_output(self) -> None:
        """Another job's comes."""
        self.tail = Tail()

    def _output(self, room: int) -> Sequence[Line]:
        if lines := self.tail.lines(room - 1):
            return lines
        said = (
            f"its output is in {self.job.output}" if self.job and self.job.output else "it has no output yet"
        )
        return [(Span(" " + on_one_line(said), "dim"),)]
