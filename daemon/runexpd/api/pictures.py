"""How experiments stand, made and encoded once for all who look."""

from collections.abc import Callable
from typing import NamedTuple

from runexp.wire import framing, requests
from runexp.wire.views import ExperimentView

#: Experiments whose last picture is kept.
MOST_KEPT = 50


class Picture(NamedTuple):
    #: What it was made of: as long as these are the same things, so is the picture.
    source: tuple[object, ...]
    view: ExperimentView
    #: As a line of the wire.
    shown: bytes


class Pictures:
    def __init__(self) -> None:
        self._kept: dict[str, Picture] = {}

    def of(self, id: str, source: tuple[object, ...], make: Callable[[], ExperimentView]) -> Picture:
        """The one that was made of the same things, or a new one. A view that turns out to be the same stays the same."""
        known = self._kept.pop(id, None)
        if known is None or not _are_same(known.source, source):
            view = make()
            if known is not None and known.view == view:
                known = Picture(source, known.view, known.shown)
            else:
                known = Picture(source, view, framing.pack(requests.Shown(experiment=view)))
        self._kept[id] = known
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return known


def _are_same(some: tuple[object, ...], others: tuple[object, ...]) -> bool:
    """Frozen things are compared by who they are, and texts by what they say."""
    return len(some) == len(others) and all(
        one == other if isinstance(one, str) else one is other
        for one, other in zip(some, others, strict=True)
    )
