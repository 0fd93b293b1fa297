"""Warns of adapters that would be applied twice. Pure.

A LoRA run's epoch holds the merged model and, beside it, adapter_config.json. Where `peft` can be imported, transformers
loads the merged model and then the adapter on top: silently wrong scores.
"""

from collections.abc import Sequence
from itertools import islice

from runexpd.hosts.base import Found, ListDir, StatPath
from runexpd.tools import questions
from runexpd.tools.base import Question

#: Of a run's evaluations; and directories below `lib`.
_MOST_ENVIRONMENTS = 16
_MOST_LIBRARIES = 64


def environments(paths: Sequence[str]) -> Question[list[str]]:
    """Those that have peft."""
    paths = [path for path in islice(paths, _MOST_ENVIRONMENTS) if questions.askable(path)]
    if not paths:
        return []
    listings = yield [ListDir(f"{path}/lib") for path in paths]
    places = [
        (path, f"{library.path}/site-packages/peft/__init__.py")
        for path, listing in zip(paths, listings, strict=True)
        for library in questions.entries(listing)[:_MOST_LIBRARIES]
    ]
    if not places:
        return []
    answers = yield [StatPath(file) for _, file in places]
    return sorted(
        {path for (path, _), answer in zip(places, answers, strict=True) if isinstance(answer, Found)}
    )


def warnings(environments: Sequence[str]) -> list[str]:
    """A line for each, where merged shards and an adapter's config lie together."""
    return [
        f"{environment} has peft: it applies adapter_config.json on top of the merged weights, and scores "
        "come out wrong; uninstall peft, or move adapter_* out of the epoch's directory"
        for environment in environments
    ]
