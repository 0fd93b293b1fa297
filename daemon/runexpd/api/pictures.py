"""How experiments stand, made once for all who look. Of what has changed little, little is made and encoded anew."""

from collections.abc import Callable, Container, Mapping
from functools import cached_property

import msgspec

from runexp.wire import framing, requests
from runexp.wire.framing import Packed
from runexp.wire.views import ExperimentView, JobView
from runexpd.core.steps.jobviews import Drawn

#: The last pictures are kept of so many jobs in all, and that of one experiment however many it has.
MOST_JOBS_KEPT = 50_000

#: Draws the jobs, given how they were drawn before, and makes the view of them.
Make = Callable[[Mapping[str, Drawn]], tuple[Mapping[str, Drawn], ExperimentView]]


class Picture:
    def __init__(self, source: tuple[object, ...], drawn: Mapping[str, Drawn], view: ExperimentView) -> None:
        #: What it was made of: as long as these are the same things, so is the picture.
        self.source = source
        self.drawn = drawn
        self.view = view
        #: Who looks is mostly of one mind about what was there before.
        self._since: tuple[ExperimentView, Packed] | None = None

    @cached_property
    def shown(self) -> Packed:
        """The whole, as a line of the wire."""
        return Packed(framing.pack(requests.Shown(experiment=self.view)))

    def since(self, before: ExperimentView | None) -> Packed:
        """What has changed since a client was shown that, as a line of the wire; the whole where that says no more."""
        if self._since is None or self._since[0] is not before:
            changed = None if before is None else _changed(before.jobs, self.view.jobs)
            if before is None or changed is None:
                return self.shown
            news = msgspec.structs.replace(self.view, jobs=changed)
            self._since = before, Packed(framing.pack(requests.Changed(experiment=news)))
        return self._since[1]


def _changed(before: tuple[JobView, ...], after: tuple[JobView, ...]) -> tuple[JobView, ...] | None:
    """None where most of them have changed, or which jobs there are, or their order."""
    differ = [(old, new) for old, new in zip(before, after, strict=False) if old is not new]
    if len(before) != len(after) or 2 * len(differ) > len(after) or any(o.id != n.id for o, n in differ):
        return None
    return tuple(new for _, new in differ)


class Pictures:
    def __init__(self) -> None:
        self._kept: dict[str, Picture] = {}

    def keep(self, at_hand: Container[str]) -> None:
        """Let go of those of all other experiments."""
        for id in [id for id in self._kept if id not in at_hand]:
            del self._kept[id]

    def of(self, id: str, source: tuple[object, ...], make: Make) -> Picture:
        """The one that was made of the same things, or a new one. A view that turns out to be the same stays the same."""
        known = self._kept.pop(id, None)
        if known is None or not _are_same(known.source, source):
            drawn, view = make(known.drawn if known else {})
            if known is not None and known.view == view:
                known.source, known.drawn = source, drawn
            else:
                known = Picture(source, drawn, view)
        self._kept[id] = known
        while len(self._kept) > 1 and sum(len(kept.drawn) for kept in self._kept.values()) > MOST_JOBS_KEPT:
            del self._kept[next(iter(self._kept))]
        return known


def _are_same(some: tuple[object, ...], others: tuple[object, ...]) -> bool:
    """Frozen things are compared by who they are, and texts by what they say."""
    return len(some) == len(others) and all(
        one == other if isinstance(one, str) else one is other
        for one, other in zip(some, others, strict=True)
    )
