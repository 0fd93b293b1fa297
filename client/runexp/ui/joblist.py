"""The jobs as a person goes through them: groups that fold, a filter, a cursor that stays with its job. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from runexp.ui import standing
from runexp.ui.standing import Standing
from runexp.wire.states import Phase
from runexp.wire.views import JobView

#: Of quiet jobs, so many are shown without being asked for.
_SHOWN_UNASKED = 12
_ORDER = {each: place for place, each in enumerate(Standing)}


class By(StrEnum):
    """What makes a group."""

    STANDING = "standing"
    RUN = "run"
    PHASE = "phase"


class Group(NamedTuple):
    """The line above the jobs of a group."""

    key: str
    title: str
    #: How its jobs stand, the most urgent first.
    counts: tuple[tuple[Standing, int], ...]
    is_folded: bool
    jobs: tuple[JobView, ...]


Row = Group | JobView


class JobList:
    """What is shown of the jobs, as rows, and where the cursor is."""

    def __init__(self) -> None:
        self.by = By.STANDING
        self.typed = ""
        self.rows: Sequence[Row] = ()
        self.cursor = 0
        self._jobs: Sequence[JobView] = ()
        #: The person has gone somewhere; until then the cursor is on the first job, which is the most telling.
        self._is_led = False
        #: What the person folded or unfolded.
        self._folds: dict[tuple[By, str], bool] = {}
        #: What a filter looks into, made once a job.
        self._texts: dict[str, tuple[JobView, str]] = {}

    @property
    def chosen(self) -> Row | None:
        return self.rows[self.cursor] if self.rows else None

    def show(self, jobs: Sequence[JobView]) -> None:
        """Take news in; the cursor stays with what the person went to, wherever that goes."""
        if jobs is not self._jobs:
            self._jobs = jobs
            self._arrange()
        if not self._is_led:
            self._put(1)

    def move(self, by: int) -> None:
        self.go(self.cursor + by)

    def go(self, place: int) -> None:
        """To a row, or the nearest there is."""
        self._is_led = True
        self._put(place)

    def _put(self, place: int) -> None:
        self.cursor = max(0, min(place, len(self.rows) - 1))

    def type(self, typed: str) -> None:
        """Only jobs that hold each of these words, in name, state or detail, are shown."""
        self.typed = typed
        self._arrange()

    def group_by(self, by: By) -> None:
        self.by = by
        self._arrange()

    def fold(self, is_folded: bool | None = None) -> None:
        """Fold or unfold the group that the cursor is in (None: the other of the two); folded, the cursor goes to its line."""
        if (place := self._header()) is None:
            return
        self._is_led = True
        group = self.rows[place]
        assert isinstance(group, Group)
        self._folds[self.by, group.key] = not group.is_folded if is_folded is None else is_folded
        if self._folds[self.by, group.key]:
            self.cursor = place
        self._arrange()

    def fold_all(self) -> None:
        """Fold every group, or unfold every one if all are folded."""
        groups = [row for row in self.rows if isinstance(row, Group)]
        is_folded = not all(group.is_folded for group in groups)
        self._folds.update({(self.by, group.key): is_folded for group in groups})
        self.go(self._header() or 0)
        self._arrange()

    def _header(self) -> int | None:
        """Where the line of the cursor's group is."""
        above = range(min(self.cursor, len(self.rows) - 1), -1, -1)
        return next((place for place in above if isinstance(self.rows[place], Group)), None)

    def _arrange(self) -> None:
        was, key = self.cursor, _key(self.chosen)
        rows: list[Row] = []
        found: int | None = None
        for group in self._groups():
            if _key(group) == key:
                found = len(rows)
            rows.append(group)
            # The one that is being looked at isn't folded away under the person's eyes.
            shown = [job for job in group.jobs if _key(job) == key] if group.is_folded else group.jobs
            for job in shown:
                if job.id == key:
                    found = len(rows)
                rows.append(job)
        self.rows = rows
        self._put(was if found is None else found)

    def _groups(self) -> Iterable[Group]:
        grouped: dict[str, list[tuple[int, JobView]]] = {}
        for job in self._jobs:
            if self._is_wanted(job):
                stands = standing.of(job)
                grouped.setdefault(self._group_of(job, stands), []).append((_ORDER[stands], job))
        made = [self._group(key, members) for key, members in grouped.items()]
        return sorted(made, key=self._place)

    def _group_of(self, job: JobView, stands: Standing) -> str:
        match self.by:
            case By.STANDING:
                return stands.words
            case By.RUN:
                return job.run
            case By.PHASE:
                return job.phase

    def _group(self, key: str, members: list[tuple[int, JobView]]) -> Group:
        if self.by is not By.STANDING:
            members.sort(key=lambda member: member[0])
        numbers = Counter(order for order, _ in members)
        counts = tuple((each, numbers[_ORDER[each]]) for each in Standing if numbers[_ORDER[each]])
        is_quiet = all(each in standing.QUIET for each, _ in counts) and len(self._jobs) > _SHOWN_UNASKED
        is_folded = self._folds.get((self.by, key), is_quiet and not self.typed)
        return Group(key, key, counts, is_folded, tuple(job for _, job in members))

    def _place(self, group: Group) -> int:
        if self.by is By.PHASE:
            return list(Phase).index(Phase(group.key))
        return _ORDER[group.counts[0][0]]

    def _is_wanted(self, job: JobView) -> bool:
        if not self.typed:
            return True
        text = self._text(job)
        return all(word in text for word in self.typed.lower().split())

    def _text(self, job: JobView) -> str:
        known = self._texts.get(job.id)
        if known is None or known[0] is not job:
            failure = job.failure.kind if job.failure else ""
            known = job, f"{job.id} {job.state} {job.detail} {failure} {job.slurm_job_id or ''}".lower()
            self._texts[job.id] = known
        return known[1]


def _key(row: Row | None) -> str | None:
    """What a cursor stays with. A group's line can't be taken for a job: no id begins with a blank."""
    if row is None:
        return None
    return f" {row.key}" if isinstance(row, Group) else row.id
