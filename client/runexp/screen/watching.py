"""An experiment on the whole screen."""

import time
from collections.abc import Callable, Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal

from runexp.screen import actions, feed
from runexp.screen.base import Listing, compose_lines
from runexp.screen.lines import Lines
from runexp.screen.measured import Measured
from runexp.screen.modal import Question
from runexp.ui import keys
from runexp.ui.board import Board, Tab
from runexp.ui.head import LOW
from runexp.ui.joblist import By, Group
from runexp.ui.palette import Line, Span
from runexp.ui.plots import wish
from runexp.wire import requests
from runexp.wire.metrics import Curves
from runexp.wire.views import ExperimentView

#: The output of a job is asked for once the cursor has rested on it so long.
_REST_SECONDS = 0.25
#: Which siblings there are is looked up so often.
_WISH_SECONDS = 10.0
#: From so many cells on curves and output are side by side.
_WIDE = 116


class Watching(Listing):
    """`after`: the number of the event from which on they are told. `ended`: called when the experiment has."""

    KEYS = keys.EXPERIMENT

    def __init__(self, view: ExperimentView, after: int, ended: Callable[[], None]) -> None:
        super().__init__()
        self.board = Board(view)
        self._ended = ended
        self._replies = feed.follow(view.id, after)
        self._heard: tuple[str, str | None] | None = None
        self._output: feed.Feed | None = None
        self._moved_at = 0.0
        self._doing: feed.Feed | None = None
        self._measured = Measured(view.id)
        self._wished_at = 0.0

    def compose(self) -> ComposeResult:
        yield from compose_lines("head", "jobs", "tabs")
        with Horizontal(id="panes"):
            yield from compose_lines("curves", "pane")
        yield from compose_lines("bar")

    def on_unmount(self) -> None:
        for each in (self._replies, self._output):
            if each is not None:
                each.stop()
        self._measured.stop()

    # News.

    def take_news(self) -> bool:
        heard = [self._take_replies(), self._take_output(), self._take_curves(), self._take_answer()]
        return any(heard)

    def _take_replies(self) -> bool:
        said = self._replies.taken()
        view: ExperimentView | None = None
        for each in said:
            match each:
                case requests.Seen(envelope=envelope):
                    self.board.tell(envelope)
                case requests.Shown(experiment=view):
                    pass
                case Exception():
                    self.app.exit(each)
        if said:
            self.board.trouble = feed.GONE if said[-1] == feed.GONE else ""
        if view is not None:
            self.board.show(view)
            if view.outcome is not None:
                self._ended()
        return bool(said)

    def _take_output(self) -> bool:
        """What the chosen job printed; of another one as soon as the cursor has come to rest."""
        job = self.board.job
        wanted = (job.id, job.output) if job else None
        if wanted != self._heard and time.monotonic() - self._moved_at >= _REST_SECONDS:
            if self._output is not None:
                self._output.stop()
            self._heard = wanted
            self.board.forget_output()
            self._output = feed.output(self.board.view.id, job.id) if job and job.output else None
            return True
        said = self._output.taken() if self._output is not None else []
        for each in said:
            self.board.tail.add(f"[{feed.words(each)}]\n" if isinstance(each, Exception) else str(each))
        return bool(said)

    def _take_curves(self) -> bool:
        if time.monotonic() - self._wished_at > _WISH_SECONDS:
            self._wish()
        said = [each for each in self._measured.feed.taken() if isinstance(each, Curves)]
        for each in said:
            self.board.plots.add(each.series)
        return bool(said)

    def _wish(self) -> None:
        """Curves of the chosen job; which siblings it has is looked up now and then."""
        self._wished_at = time.monotonic()
        job, plots = self.board.job, self.board.plots
        has_begun = job is not None and job.started_at is not None
        self._measured.want(
            wish(job, plots.name(job.id), self.board.view.jobs) if job and has_begun else None
        )

    def _take_answer(self) -> bool:
        said = self._doing.taken() if self._doing is not None else []
        for each in said:
            is_error = isinstance(each, Exception)
            self.say(feed.words(each) if is_error else actions.done(each), "bad" if is_error else "good")  # type: ignore[arg-type]
        return bool(said)

    # The picture.

    def draw(self) -> None:
        board, (width, height) = self.board, self.size
        head = board.head(width, height)
        self._divide(len(head), height)
        jobs, pane = self.query_one("#jobs", Lines), self.query_one("#pane", Lines)
        self._show("head", head)
        self._show_jobs(jobs)
        self._show("tabs", [board.tabs(width, self.is_wide)])
        if self.is_wide:
            curves = self.query_one("#curves", Lines)
            none = [(Span(" no curves of it yet", "dim"),)] if board.job else []
            self._show("curves", board.curves(max(20, curves.size.width - 1), curves.size.height) or none)
        room, rows = max(20, pane.size.width), pane.size.height
        lines = board.pane(board.shown_tab(self.is_wide), room, rows)
        pane.show(len(lines), lambda place, room: lines[place], is_tail=self._is_tail)
        self.draw_bar(self.query_one("#bar", Lines))

    def _show_jobs(self, jobs: Lines) -> None:
        """Where the chosen one was to be seen it still is, wherever it went."""
        was_seen = jobs.sees_cursor
        jobs.show(len(self.board.jobs.rows), self.board.row, self.board.jobs.cursor)
        if was_seen:
            self._reveal(jobs)

    def _reveal(self, jobs: Lines) -> None:
        """The chosen job; of a group's first one its line, too."""
        place, rows = self.board.jobs.cursor, self.board.jobs.rows
        jobs.reveal(place - 1 if place and isinstance(rows[place - 1], Group) else place)
        jobs.reveal(place)

    def _show(self, name: str, lines: Sequence[Line]) -> None:
        self.query_one(f"#{name}", Lines).show(len(lines), lambda place, room: lines[place])

    def _divide(self, head: int, height: int) -> None:
        """The list gets what it needs, half the room at most; the pane the rest; on a low screen there is one of them."""
        room = height - head - 2
        is_low = height < LOW
        needed = min(max(4, len(self.board.jobs.rows)), room * 55 // 100)
        self._set_height("head", head)
        self._set_height("jobs", 0 if self.board.is_open else room + 1 if is_low else needed)
        has_pane = self.board.is_open or not is_low
        self._set_height("tabs", 1 if has_pane else 0)
        self._set_height("panes", room - (0 if self.board.is_open else needed) if has_pane else 0)
        self.query_one("#curves").display = self.is_wide

    @property
    def _is_tail(self) -> bool:
        """Whether what is in the pane is read from its end."""
        return self.board.tab is not Tab.JOB and self.board.job is not None

    @property
    def is_wide(self) -> bool:
        """Whether there is room for two panes."""
        return self.size.width >= _WIDE

    def _set_height(self, name: str, cells: int) -> None:
        lines = self.query_one(f"#{name}")
        if lines.styles.height is None or lines.styles.height.value != cells:
            lines.display = cells > 0
            lines.styles.height = cells

    # Keys and mouse.

    def typed(self) -> str:
        return self.board.jobs.typed

    def type(self, typed: str) -> None:
        self.board.jobs.type(typed)
        self._moved()

    def matches(self) -> str:
        shown = sum(len(row.jobs) for row in self.board.jobs.rows if isinstance(row, Group))
        return f"{shown} of {len(self.board.view.jobs)} jobs"

    def _moved(self) -> None:
        self._moved_at = self._wished_at = time.monotonic()
        self._wished_at -= _WISH_SECONDS - _REST_SECONDS
        self.draw()
        self._reveal(self.query_one("#jobs", Lines))
        if not self._is_tail:
            self.query_one("#pane", Lines).go(0)

    def action_move(self, by: int) -> None:
        self.board.jobs.move(by)
        self._moved()

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self.query_one("#jobs", Lines).shown_lines - 1))

    def action_end(self, last: int) -> None:
        self.board.jobs.go(len(self.board.jobs.rows) if last else 0)
        self._moved()

    def action_fold(self, is_folded: bool | None = None) -> None:
        self.board.jobs.fold(is_folded)
        self._moved()

    def action_fold_all(self) -> None:
        self.board.jobs.fold_all()
        self._moved()

    def action_by(self) -> None:
        every = list(By)
        self.board.jobs.group_by(every[(every.index(self.board.jobs.by) + 1) % len(every)])
        self._moved()

    def action_open(self) -> None:
        if isinstance(self.board.jobs.chosen, Group) and not self.board.is_open:
            self.action_fold()
        else:
            self.board.is_open = not self.board.is_open
            self._moved()

    def action_back(self) -> None:
        if self.board.is_open:
            self.board.is_open = False
            self._moved()
        elif self.typed():
            self.type("")
        elif len(self.app.screen_stack) > 2:
            self.app.pop_screen()

    def action_tab(self, by: int) -> None:
        every = list(Tab)
        self.action_show(every[(every.index(self.board.tab) + by) % len(every)])

    def action_show(self, tab: str) -> None:
        self.board.tab = Tab(tab)
        if self.size.height < LOW:
            self.board.is_open = True
        self.draw()
        pane = self.query_one("#pane", Lines)
        pane.go(pane.max_scroll_y if self._is_tail else 0)

    def action_quantity(self) -> None:
        if self.board.job:
            self.board.plots.next(self.board.job.id)
            self._wish()
            self.draw()

    def action_scroll(self, by: int) -> None:
        pane = self.query_one("#pane", Lines)
        pane.go(pane.scroll_offset.y + by * max(1, pane.shown_lines // 2))

    def clicked(self, clicked: Lines.Clicked) -> None:
        if clicked.lines.id == "jobs":
            is_again = clicked.place == self.board.jobs.cursor
            self.board.jobs.go(clicked.place)
            if isinstance(self.board.jobs.chosen, Group) or (is_again and clicked.is_double):
                self.action_open()
            self._moved()
        elif clicked.lines.id == "tabs" and (tab := self.board.tab_at(clicked.x, self.is_wide)):
            self.action_show(tab)

    # What a person decides.

    def action_ask(self, what: str) -> None:
        asked = actions.wish(what, self.board.view, self.board.jobs.chosen)
        if asked is None:
            self.say(f"there is nothing to {what} here", "warn")
            return

        def answered(is_yes: bool | None) -> None:
            if is_yes:
                self._doing = feed.do(asked.request, asked.reply)
                self.say(f"{asked.doing} ...")

        self.app.push_screen(Question(what, actions.question(asked, self.size.width - 8)), answered)
