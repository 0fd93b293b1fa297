"""All experiments as a person goes through them: what runs on top, then the newest; archived ones only when asked for. Pure."""

from collections import Counter
from collections.abc import Sequence

from runexp.text import on_one_line
from runexp.ui import cells, jobline, standing
from runexp.ui.jobline import Remark
from runexp.ui.palette import Line, Span
from runexp.ui.when import hour, stopwatch
from runexp.wire.states import Outcome, PhaseState
from runexp.wire.views import ExperimentLine

_LEAST_NAME = 12
_MARKS = {
    None: ("►", "busy"),
    Outcome.SUCCEEDED: ("✓", "good"),
    Outcome.PARTIAL: ("!", "doubt"),
    Outcome.FAILED: ("✗", "bad"),
    Outcome.CANCELLED: ("-", "dim"),
}


class Everything:
    """Takes lists in; gives lines. The cursor stays with its experiment."""

    def __init__(self, known: Sequence[ExperimentLine]) -> None:
        self.typed = ""
        self.trouble = ""
        self.cursor = 0
        self.is_of_archived = False
        self.rows: Sequence[ExperimentLine] = ()
        self.show(known)

    @property
    def chosen(self) -> ExperimentLine | None:
        return self.rows[self.cursor] if self.rows else None

    def show(self, known: Sequence[ExperimentLine]) -> None:
        self.known = known
        chosen = self.chosen.id if self.chosen else None
        wanted = [line for line in self.in_sight if self._is_wanted(line)]
        self.rows = sorted(wanted, key=lambda line: (line.outcome is not None, -line.asked_at))
        self.go(next((place for place, line in enumerate(self.rows) if line.id == chosen), self.cursor))
        names = max((cells.width(on_one_line(line.name)) for line in self.rows), default=0)
        self._name_cells = names

    @property
    def in_sight(self) -> Sequence[ExperimentLine]:
        """What the filter chooses from."""
        return [line for line in self.known if line.archived == self.is_of_archived]

    def turn(self) -> None:
        """To the archived ones, or back."""
        self.is_of_archived = not self.is_of_archived
        self.cursor = 0
        self.show(self.known)

    def type(self, typed: str) -> None:
        """Only experiments that hold each of these words, in name, outcome or place, are shown."""
        self.typed = typed
        self.show(self.known)

    def go(self, place: int) -> None:
        """To a row, or the nearest there is."""
        self.cursor = max(0, min(place, len(self.rows) - 1))

    def head(self, room: int) -> list[Line]:
        lines: list[Line] = [(Span(cells.cut_end(f" runexp  {self._counted()}", room), "strong"),)]
        if self.trouble:
            lines.append((Span(cells.left(f" ! {self.trouble}", room), "alarm"),))
        return lines

    def _counted(self) -> str:
        archived = sum(line.archived for line in self.known)
        if self.is_of_archived:
            return f"{archived} archived"
        running = sum(line.outcome is None for line in self.known)
        said = f"{running} running, {len(self.known) - archived - running} ended"
        return f"{said}, {archived} archived" if archived else said

    def row(self, place: int, room: int) -> Line:
        line = self.rows[place]
        symbol, tone = _MARKS[line.outcome]
        name_cells = min(self._name_cells, max(_LEAST_NAME, room // 3))
        name = cells.left(cells.cut_middle(on_one_line(line.name), name_cells), name_cells)
        head = (Span(f" {symbol} ", tone), Span(name), Span(f"  {line.outcome or _phase(line):<12}", tone))
        used = sum(cells.width(span.text) for span in head)
        return (*head, *jobline.fitted(_remarks(line), room - used))

    def _is_wanted(self, line: ExperimentLine) -> bool:
        if not self.typed:
            return True
        text = f"{line.name} {line.id} {line.cluster} {line.dir} {line.outcome or 'running'}".lower()
        return all(word in text for word in self.typed.lower().split())


def _phase(line: ExperimentLine) -> str:
    return "evaluation" if line.evaluation is PhaseState.RUNNING else "optimization"


def _remarks(line: ExperimentLine) -> list[Remark]:
    """What there is to say of an experiment, the most telling first."""
    said = [Remark(on_one_line(f"! {line.trouble}"), "doubt", True)] if line.trouble else []
    if line.concerns:
        said.append(Remark(f"! {line.concerns}", "doubt"))
    counted: Counter[standing.Standing] = Counter()
    for state, count in line.counts.items():
        counted[standing.of_state(state)] += count
    said += [
        Remark(f"{each.symbol} {counted[each]}", each.tone) for each in standing.Standing if counted[each]
    ]
    if line.outcome is None:
        said += [Remark(f"ends {hour(line.ends.likely_at)}", "busy")] if line.ends else []
        said.append(Remark(f"asked {hour(line.asked_at)}", "dim"))
    elif line.ended_at is not None:
        said.append(Remark(f"ended {hour(line.ended_at)}"))
        said.append(Remark(f"in {stopwatch(line.ended_at - line.asked_at)}", "dim"))
    return [*said, Remark(on_one_line(f"{line.cluster}:{line.dir}"), "dim", True)]
