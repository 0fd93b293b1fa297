"""An experiment on the whole screen."""

import time
from collections.abc import Callable, Sequence

from textual.app import ComposeResult

from runexp.screen import actions, feed
from runexp.screen.base import Listing, bindings, compose_lines
from runexp.screen.lines import Lines
from runexp.screen.modal import Question
from runexp.ui import keys
from runexp.ui.board import Board, Tab
from runexp.ui.head import LOW
from runexp.ui.joblist import By, Group
from runexp.ui.palette import Line
from runexp.wire import requests
from runexp.wire.views import ExperimentView

#: The output of a job is asked for once the cursor has rested on it so long.
_REST_SECONDS = 0.25


class Watching(Listing):
    """`after`: the number of the event from which on they are told. `ended`: called when the experiment has."""

    KEYS = keys.EXPERIMENT
    BINDINGS = bindings(keys.EXPERIMENT)

    def __init__(self, view: ExperimentView, after: int, ended: Callable[[], None]) -> None:
        super().__init__()
        self.board = Board(view)
        self._ended = ended
        self._replies = feed.follow(view.id, after)
        self._heard: tuple[str, str | None] | None = None
        self._output: feed.Feed | None = None
        self._moved_at = 0.0
        self._doing: feed.Feed | None = None

    def compose(self) -> ComposeResult:
        yield from compose_lines("head", "jobs", "tabs", "pane", "bar")

    def on_unmount(self) -> None:
        for each in (self._replies, self._output):
            if each is not None:
                each.stop()

    # News.

    def take_news(self) -> bool:
        heard = [self._take_replies(), self._take_output(), self._take_answer()]
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
        jobs.show(len(board.jobs.rows), board.row, board.jobs.cursor)
        tabs = board.tabs(width)
        self._show("tabs", [tabs])
        if pane.display:
            self._show("pane", board.pane(board.tab, max(20, pane.size.width)))
        self.draw_bar(self.query_one("#bar", Lines))

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
        self._set_height("pane", height - head - 2 - (0 if self.board.is_open else needed) if has_pane else 0)

    def _set_height(self, name: str, cells: int) -> None:
        lines = self.query_one(f"#{name}", Lines)
        lines.display = cells > 0
        if lines.styles.height is None or lines.styles.height.value != cells:
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
        self._moved_at = time.monotonic()
        self.query_one("#jobs", Lines).reveal(self.board.jobs.cursor)
        self.draw()

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
        self.query_one("#pane", Lines).scroll_end(animate=False)

    def action_scroll(self, by: int) -> None:
        pane = self.query_one("#pane", Lines)
        pane.scroll_to(y=pane.scroll_offset.y + by * max(1, pane.shown_lines // 2), animate=False)

    def clicked(self, clicked: Lines.Clicked) -> None:
        if clicked.lines.id == "jobs":
            is_again = clicked.place == self.board.jobs.cursor
            self.board.jobs.go(clicked.place)
            if isinstance(self.board.jobs.chosen, Group) or (is_again and clicked.is_double):
                self.action_open()
            self._moved()
        elif clicked.lines.id == "tabs" and (tab := self.board.tab_at(clicked.x)):
            self.action_show(tab)

    # What a person decides.

    def action_ask(self, what: str) -> None:
        wish = actions.wish(what, self.board.view, self.board.jobs.chosen)
        if wish is None:
            self.say(f"there is nothing to {what} here", "warn")
            return

        def answered(is_yes: bool | None) -> None:
            if is_yes:
                self._doing = feed.do(wish.request, wish.reply)
                self.say(f"{wish.doing} ...")

        self.app.push_screen(Question(what, actions.question(wish, self.size.width - 8)), answered)
