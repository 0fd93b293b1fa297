"""What exactly ran: what all results have in common, said once, and by job what tells them apart. Pure."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from runexp.reporting.content import Content
from runexp.wire.recipes import Data, Recipe

#: Of a hash: enough to tell two files apart at a glance.
_HASH_CHARACTERS = 12
_NOT_THE_SAME = "not the same for all"
_MOST_PACKAGES = 120


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Of one job."""

    job: str
    #: Of the attempts that the cluster took.
    ids: str
    #: `script 1a2b3c4d5e6f, config ...`
    hashes: str
    seeds: str


def facts(content: Content) -> Iterator[tuple[str, str]]:
    """What holds for all of them, as (name, fact)."""
    recipes = content.report.recipes
    yield "tools", ", ".join(filter(None, (content.report.optimization.tool, content.report.evaluation.tool)))
    yield "commit", _one({_commit(recipe) for recipe in recipes.values() if recipe.commit})
    yield "packages", _packages(recipes.values())
    yield "data", "; ".join(_data(recipes.values()))
    yield "seeds", ", ".join(dict.fromkeys(filter(None, (_seeds(recipe) for recipe in recipes.values()))))
    yield "not read", "; ".join(dict.fromkeys(line for each in recipes.values() for line in each.missing))


def rows(content: Content) -> Iterator[Row]:
    for job in content.jobs:
        recipe = content.report.recipes.get(job.id)
        ids = ", ".join(attempt.slurm_job_id for attempt in job.attempts if attempt.slurm_job_id)
        if ids or recipe is not None:
            hashes = (
                (f"{text.role} {text.sha256[:_HASH_CHARACTERS]}" for text in recipe.texts) if recipe else ()
            )
            yield Row(job=job.id, ids=ids, hashes=", ".join(hashes), seeds=_seeds(recipe) if recipe else "")


def _commit(recipe: Recipe) -> str:
    return f"{recipe.commit}, with changes that aren't in it" if recipe.dirty else recipe.commit


def _one(found: set[str]) -> str:
    return next(iter(found), "") if len(found) < 2 else _NOT_THE_SAME


def _packages(recipes: Iterable[Recipe]) -> str:
    """`torch 2.13.0, ...`; of what jobs had in several versions, all of them."""
    versions: dict[str, dict[str, None]] = {}
    for recipe in recipes:
        for name, version in recipe.versions.items():
            versions.setdefault(name, {}).setdefault(version)
    shown = [f"{name} {' and '.join(found)}" for name, found in sorted(versions.items())]
    more = f" and {len(shown) - _MOST_PACKAGES} more" if len(shown) > _MOST_PACKAGES else ""
    return ", ".join(shown[:_MOST_PACKAGES]) + more


def _data(recipes: Iterable[Recipe]) -> Iterator[str]:
    found: Mapping[str, Data] = {data.path: data for recipe in recipes for data in recipe.data}
    for data in list(found.values())[:20]:
        digest = f", sha256 {data.sha256[:_HASH_CHARACTERS]}" if data.sha256 else ""
        yield f"{data.path} ({data.size_bytes:,} bytes{digest})"
    if len(found) > 20:
        yield f"and {len(found) - 20} more"


def _seeds(recipe: Recipe) -> str:
    """`seed 42`"""
    seeds = {name: value for name, value in recipe.values.items() if name.rpartition(".")[2] == "seed"}
    return ", ".join(f"{name} {value}" for name, value in list(seeds.items())[:4])
