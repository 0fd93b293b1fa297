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
from runexpd.hosts.base import Answer, Ask, Found, Host, HostUnreachable, Kind, Part, ReadPart, StatPath
from runexpd.recipes import meaning
from runexpd.runtime.digest import Indigestible, digest
from runexpd.runtime.inspector import Done, after
from runexpd.tools import ingredients
from runexpd.tools.base import Ingredients, Question, Tool

MOST_ROUNDS = 6
#: Jobs read together.
TOGETHER = 100
STEPS_SECONDS = 30.0
#: A file that is larger is known by its size and time alone.
HASHED_BYTES = 1024 * 1024
_GIT_SECONDS = 10.0
_MOST_CHARACTERS = 256 * 1024
#: Without the programs that a repository has its files filtered by (git-lfs): a look runs nothing of the experiment's.
_ASK_GIT = (
    'command -v git >/dev/null || exit 0; [ -n "$("$@" ls-files -- . 2>/dev/null | head -c 1)" ] || exit 0; '
    '"$@" rev-parse HEAD 2>/dev/null || exit 0; set -f; IFS=$(printf "\\nx"); IFS=${IFS%x}; '
    'for name in $("$@" config --name-only --get-regexp "^filter[.].*[.](clean|process|required)$" 2>/dev/null); '
    'do case $name in *=*) exit 0;; esac; set -- "$@" -c "$name="; done; '
    '"$@" status --porcelain -uno --ignore-submodules=all -- . 2>/dev/null | head -c 1'
)


class Made(msgspec.Struct, frozen=True):
    """A recipe, and the texts that it names."""

    recipe: Recipe
    contents: dict[str, str]


Step = Made | tuple[Ask, ...] | str
Heard = tuple[tuple[Answer, ...], ...]


async def read(tools: Mapping[str, Tool], host: Host, dir: str, jobs: Sequence[JobSpec]) -> list[Made]:
    """The recipe of each, in order; what can't be read is said in it. `dir`: of their experiment. Raises HostUnreachable."""
    found: list[Made] = []
    for start in range(0, len(jobs), TOGETHER):
        found += await _read(tools, host, jobs[start : start + TOGETHER])
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


async def _read(tools: Mapping[str, Tool], host: Host, jobs: Sequence[JobSpec]) -> list[Made]:
    made: dict[int, Made] = {}
    heard: dict[int, Heard] = {number: () for number in range(len(jobs))}
    for _ in range(MOST_ROUNDS):
        steps = await _steps([(tools.get(jobs[n].tool), jobs[n], heard[n]) for n in heard])
        asks: dict[int, tuple[Ask, ...]] = {}
        for number, step in zip(list(heard), steps, strict=True):
            match step:
                case Made():
                    made[number] = step
                case str():
                    made[number] = _unread(step)
                case _:
                    asks[number] = step
        if not asks:
            break
        answers = await _answered(host, asks)
        heard = {number: (*heard[number], answers[number]) for number in asks}
    return [made.get(number) or _unread("its tool came to no end") for number in range(len(jobs))]


async def _answered(host: Host, asks: Mapping[int, tuple[Ask, ...]]) -> dict[int, tuple[Answer, ...]]:
    """What many ask for is fetched once."""
    once = list(dict.fromkeys(ask for each in asks.values() for ask in each))
    answers = dict(zip(once, await host.fetch(once), strict=True)) if once else {}
    return {number: tuple(answers[ask] for ask in each) for number, each in asks.items()}


def _unread(why: str) -> Made:
    return Made(Recipe(missing=(printable(why)[:500],)), {})


async def _steps(questions: Sequence[tuple[Tool | None, JobSpec, Heard]]) -> Sequence[Step]:
    """A step of each; one that takes too much is tried apart from the others."""
    try:
        return await digest(steps, questions, seconds=STEPS_SECONDS)
    except Indigestible as error:
        if len(questions) == 1:
            return [error.what]
    return [step for question in questions for step in await _steps([question])]


def steps(questions: Sequence[tuple[Tool | None, JobSpec, Heard]]) -> list[Step]:
    """In the child: each question from its start, with all that it has been answered so far."""
    return [_step(tool, job, heard) for tool, job, heard in questions]


def _step(tool: Tool | None, job: JobSpec, heard: Heard) -> Step:
    try:
        step = after(getattr(tool, "ingredients", _script_alone)(job), heard)
        return _made(step.value) if isinstance(step, Done) else step
    except Exception as error:
        return printable(
            f"the {job.tool} module can't say what it is made of: {type(error).__name__}: {error}"
        )


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
    try:
        ran = await host.run(["sh", "-c", _ASK_GIT, "sh", *quiet], timeout_seconds=_GIT_SECONDS)
    except (
        HostUnreachable
    ):  # of a large repository on a slow disk: nobody waits for that, nor is anything refused for it
        return "", False
    commit, _, changed = ran.stdout.partition("\n")
    return (printable(commit.strip())[:64], bool(changed)) if ran.exit_code == 0 else ("", False)
