"""What is installed where evaluations run, and what that makes of a checkpoint: wrong scores that nothing tells of. Pure.

Where `peft` can be imported, transformers loads merged weights and then the adapter that lies beside them on top. And
transformers 4 doesn't read the `rope_parameters` that version 5 writes: it takes its defaults, and says nothing.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec

from runexpd.hosts.base import Answer, FileFact, ListDir
from runexpd.tools import questions
from runexpd.tools.base import Question

#: Of a run's evaluations; and directories below `lib`.
_MOST_ENVIRONMENTS = 16
_MOST_LIBRARIES = 8
_TRANSFORMERS = re.compile(r"transformers-(\d{1,4})\.[\w.]{1,40}\.(?:dist|egg)-info")


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    has_peft: bool = False
    #: The first number of its version.
    transformers: int | None = None


def look(paths: Sequence[str]) -> Question[list[Environment]]:
    """What those hold that are there: virtual environments and conda's have one form."""
    paths = [path for path in islice(paths, _MOST_ENVIRONMENTS) if questions.askable(path)]
    listings = yield from questions.ask([ListDir(f"{path}/lib") for path in paths])
    places = [
        (path, f"{library.path}/site-packages")
        for path, listing in zip(paths, listings, strict=True)
        for library in _pythons(listing)
    ]
    answers = yield from questions.ask([ListDir(place) for _, place in places])
    found = [_environment(path, answer) for (path, _), answer in zip(places, answers, strict=True)]
    return sorted(set(found), key=lambda environment: environment.path)


def _pythons(listing: Answer) -> Iterable[FileFact]:
    libraries = (fact for fact in questions.entries(listing) if questions.name(fact).startswith("python"))
    return islice(libraries, _MOST_LIBRARIES)


def _environment(path: str, packages: Answer) -> Environment:
    names = [questions.name(fact) for fact in questions.entries(packages)]
    versions = (match[1] for name in names if (match := _TRANSFORMERS.fullmatch(name)))
    version = next(versions, None)
    return Environment(path=path, has_peft="peft" in names, transformers=int(version) if version else None)


def of_merged(environments: Sequence[Environment]) -> list[str]:
    """What is wrong with merged shards that an adapter's config lies beside."""
    return [
        f"{environment.path} has peft: it applies adapter_config.json on top of the merged weights, and scores "
        "come out wrong; uninstall peft, or move adapter_* out of the epoch's directory"
        for environment in environments
        if environment.has_peft
    ]


def of_rope(environments: Sequence[Environment]) -> list[str]:
    """What is wrong with a config.json that has rope_parameters alone."""
    return [
        f"{environment.path} has transformers {environment.transformers}, which reads no rope_parameters: scores come "
        "out wrong; add rope_theta and rope_scaling to the checkpoint's config.json, or take transformers 5"
        for environment in environments
        if environment.transformers is not None and environment.transformers < 5
    ]
