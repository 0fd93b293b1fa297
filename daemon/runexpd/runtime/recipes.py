"""Reads what decides what jobs do, as it stands: their tools say what that is, and a host has it.

Texts are understood, and their secrets blanked, in a child process; of data only what it is is kept, and its hash where it is small.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

import anyio.to_thread
import msgspec
from msgspec.structs import replace

from runexp import blank
from runexp.text import printable
from runexp.wire.jobs import JobSpec
from runexp.wire.recipes import Data, Recipe, Text
from runexpd.hosts.base import Found, Host, HostUnreachable, Kind, Part, ReadPart, StatPath
from runexpd.recipes import meaning
from runexpd.runtime import rounds
from runexpd.runtime.rounds import Fault, Pace
from runexpd.tools import ingredients
from runexpd.tools.base import Ingredients, Question, Tool

READING = Pace(most_rounds=6, together=100, seconds=30.0, alone_seconds=30.0)
#: A file that is larger is known by its size and time alone.
HASHED_BYTES = 1024 * 1024
#: Of git, which waits for ever for a FIFO in place of a file of its own; and until that is known.
_GIT_SECONDS, _SHELL_SECONDS = 2, 10.0
_MOST_CHARACTERS = 256 * 1024
#: Of the repository that the directory is in, whatever the environment names; without the programs that it has its files filtered by (git-lfs): a look runs nothing of the experiment's.
_ASK_GIT = (
    "unset $(git rev-parse --local-env-vars); "
    '[ -n "$("$@" ls-files -- . 2>/dev/null | head -c 1)" ] || exit 0; '
    '"$@" rev-parse HEAD 2>/dev/null || exit 0; set -f; IFS=$(printf "\\nx"); IFS=${IFS%x}; '
    'for name in $("$@" config --name-only --get-regexp "^filter[.].*[.](clean|process|required)$" 2>/dev/null); '
    'do case $name in *=*) exit 0;; esac; set -- "$@" -c "$name="; done; '
    '"$@" status --porcelain -uno --ignore-submodules=all -- . 2>/dev/null | head -c 1'
)
#: Nothing is asked of a `.git` that git would stand still at; elsewhere it may, and is ended.
_ASK_IN_TIME = (
    'command -v git >/dev/null || exit 0; cd -- "$1" && at=$(pwd -P) || exit 0; '
    'until [ -e "$at/.git" ] || [ -z "$at" ]; do at=${at%/*}; done; at=$at/.git; '
    '[ -f "$at" ] || { [ -f "$at/HEAD" ] && [ -f "$at/config" ]; } || exit 0; '
    f'shift; exec timeout -k 1 {_GIT_SECONDS} sh -c "$@"'
)


class Made(msgspec.Struct, frozen=True):
    """A recipe, and the texts that it names."""

    recipe: Recipe
    contents: dict[str, str]


async def read(tools: Mapping[str, Tool], host: Host, dir: str, jobs: Sequence[JobSpec]) -> list[Made]:
    """The recipe of each, in order; what can't be read is said in it. `dir`: of their experiment. Raises HostUnreachable."""
    asked = [(tools.get(job.tool), job) for job in jobs]
    said = await rounds.put(_ingredients, asked, rounds.once(host), READING)
    found = [
        _unread(job, each) if isinstance(each, Fault) else each for job, each in zip(jobs, said, strict=True)
    ]
    commit, dirty = await _git(host, dir)
    data = await _looked(host, sorted({each.path for made in found for each in made.recipe.data}))
    return [
        replace(
            made,
            recipe=replace(
                made.recipe,
                commit=commit,
                dirty=dirty,
                data=tuple(data[each.path] for each in made.recipe.data if each.path in data),
            ),
        )
        for made in found
    ]


def _unread(job: JobSpec, fault: Fault) -> Made:
    why = f"the {job.tool} module can't say what it is made of: {fault.what}"
    return Made(Recipe(missing=(printable(why)[:500],)), {})


def _ingredients(about: tuple[Tool | None, JobSpec]) -> Question[Made]:
    tool, job = about
    return _made((yield from getattr(tool, "ingredients", _script_alone)(job)))


def _script_alone(job: JobSpec) -> Question[Ingredients]:
    """Of a tool that says nothing of it."""
    (script,) = yield [ingredients.whole(job.script)]
    return Ingredients(
        sources=tuple(ingredients.source("script", job.script, script)),
        missing=tuple(ingredients.missing(job.script, script)),
    )


def _made(found: object) -> Made:
    if not isinstance(found, Ingredients):
        raise TypeError(f"ingredients were expected, not {type(found).__name__}")
    texts, contents = [], {}
    for source in found.sources:
        kept = blank.text(source.text[:_MOST_CHARACTERS])
        name = _hash(kept)
        contents[name] = kept
        texts.append(
            Text(
                role=printable(source.role),
                path=printable(source.path),
                sha256=_hash(source.text),
                content=name,
                meaning=meaning.digest(kept),
            )
        )
    recipe = Recipe(
        texts=tuple(texts),
        values={printable(k): printable(blank.value(k, v)) for k, v in found.values.items()},
        data=tuple(Data(path=path, size_bytes=0, modified_at=0.0) for path in found.files),
        versions={printable(k): printable(v) for k, v in found.versions.items()},
        missing=tuple(map(printable, found.missing)),
    )
    return msgspec.json.decode(msgspec.json.encode(Made(recipe, contents)), type=Made)


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


async def _looked(host: Host, paths: Sequence[str]) -> dict[str, Data]:
    """Of these the regular files, each once."""
    found = await host.fetch([StatPath(path) for path in paths]) if paths else ()
    facts = [each.fact for each in found if isinstance(each, Found) and each.fact.kind is Kind.FILE]
    small = [fact.path for fact in facts if fact.size_bytes <= HASHED_BYTES]
    parts = await host.fetch([ReadPart(path, 0, HASHED_BYTES) for path in small]) if small else ()
    read = {path: part.data for path, part in zip(small, parts, strict=True) if isinstance(part, Part)}
    hashes = await anyio.to_thread.run_sync(
        lambda: {path: sha256(data).hexdigest() for path, data in read.items()}
    )
    return {
        fact.path: Data(
            path=printable(fact.path),
            size_bytes=fact.size_bytes,
            modified_at=fact.modified_at,
            sha256=hashes.get(fact.path, ""),
        )
        for fact in facts
    }


async def _git(host: Host, dir: str) -> tuple[str, bool]:
    """The commit, and whether the directory differs from it; an empty one where git knows nothing of it."""
    quiet = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", dir]
    ask = ["sh", "-c", _ASK_IN_TIME, "sh", dir, _ASK_GIT, "sh", *quiet]
    try:
        ran = await host.run(ask, timeout_seconds=_SHELL_SECONDS)
    except (
        HostUnreachable
    ):  # of a large repository on a slow disk: nobody waits for that, nor is anything refused for it
        return "", False
    commit, _, changed = ran.stdout.partition("\n")
    return (printable(commit.strip())[:64], bool(changed)) if ran.exit_code == 0 else ("", False)
