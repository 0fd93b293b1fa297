"""All experiments on the whole screen; Enter opens one."""

from collections.abc import Sequence

from textual.app import ComposeResult

from runexp import connection
from runexp.screen import feed
from runexp.screen.base import Listing, compose_lines
from runexp.screen.lines import Lines
from runexp.screen.watching import Watching
from runexp.ui import keys
from runexp.ui.everything import Everything
from runexp.wire import requests
from runexp.wire.views import ExperimentLine

_EVERY_SECONDS = 2.0
#: Of all experiments together: the last of the opened one's are among them.
_RECENT_EVENTS = 200


class Choosing(Listing):
    """`known`: the experiments that there are now."""

    KEYS = keys.EVERYTHING

    def __init__(self, known: Sequence[ExperimentLine]) -> None:
        super().__init__()
        self.model = Everything(known)
        self._lists = feed.experiments(_EVERY_SECONDS)
        self._opening: feed.Feed | None = None

    def compose(self) -> ComposeResult:
        yield from compose_lines("head", "list", "bar")

    def on_mount(self) -> None:
        self.query_one("#list").styles.height = "1fr"
        super().on_mount()

    def on_unmount(self) -> None:
        self._lists.stop()

    def take_news(self) -> bool:
        said = self._lists.taken()
        for each in said:
            self.model.trouble = feed.GONE if each == feed.GONE else ""
            if isinstance(each, requests.LsReply):
                self.model.show(each.experiments)
            elif isinstance(each, Exception):
                self.app.exit(each)
        return self._take_opened() or bool(said)

    def _take_opened(self) -> bool:
        said = self._opening.taken() if self._opening is not None else []
        for each in said:
            if isinstance(each, requests.StatusReply):
                after = max(0, each.experiment.seq - _RECENT_EVENTS)
                self.app.push_screen(Watching(each.experiment, after, ended=lambda: None))
            elif isinstance(each, Exception):
                self.say(feed.words(each), "bad")
        return bool(said)

    def draw(self) -> None:
        head = self.model.head(self.size.width)
        self.query_one("#head").styles.height = len(head)
        self.query_one("#head", Lines).show(len(head), lambda place, room: head[place])
        self.query_one("#list", Lines).show(len(self.model.rows), self.model.row, self.model.cursor)
        self.draw_bar(self.query_one("#bar", Lines))

    def typed(self) -> str:
        return self.model.typed

    def type(self, typed: str) -> None:
        self.model.type(typed)
        self._moved()

    def matches(self) -> str:
        return f"{len(self.model.rows)} of {len(self.model.in_sight)} experiments"

    def _moved(self) -> None:
        self.draw()
        self.query_one("#list", Lines).reveal(self.model.cursor)

    def action_move(self, by: int) -> None:
        self.model.go(self.model.cursor + by)
        self._moved()

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self.query_one("#list", Lines).shown_lines - 1))

    def action_end(self, last: int) -> None:
        self.model.go(len(self.model.rows) if last else 0)
        self._moved()

    def action_open(self) -> None:
        if self.model.chosen is not None:
            asked = requests.Status(experiment=self.model.chosen.id)
            self._opening = feed.do(asked, requests.StatusReply)

    def action_back(self) -> None:
        if self.typed():
            self.type("")
        elif self.model.is_of_archived:
            self.action_turn()

    def action_turn(self) -> None:
        self.model.turn()
        self._moved()

    def clicked(self, clicked: Lines.Clicked) -> None:
        if clicked.lines.id == "list":
            is_again = clicked.place == self.model.cursor
            self.model.go(clicked.place)
            self._moved()
            if is_again:
                self.action_open()


def known() -> tuple[ExperimentLine, ...]:
    """What there is. Raises as `connection.ask`."""
    return connection.ask(requests.Ls(), requests.LsReply).experiments
