"""Whether epochs' directories hold whole models: every shard of an index, each of the size that it says itself; or an adapter
whose base model is there. All directories are looked at side by side, in three rounds at most. Pure.
"""

import json
import re
from collections.abc import Mapping, Sequence

import msgspec

from runexp.wire.failures import FailureKind
from runexpd.experiments.limits import listed
from runexpd.hosts.base import Answer, Ask, FileFact, ListDir, Missing, Part, ReadPart, StatPath, Withheld
from runexpd.tools import adapter, questions, shards
from runexpd.tools.base import Question
from runexpd.tools.shards import Problem, State

#: A model in one file; one in several has an index by this name. transformers, too, takes the first of them that is there.
SINGLE = ("model.safetensors", "pytorch_model.bin")
_SHARD = re.compile(r"model-\d{5}-of-(\d{5})\.bin")
#: Nobody has more; a name may say anything.
_MOST_SHARDS = 1000
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")
#: Of an index, and of all of them together, as far as each is left enough for a model of some hundred tensors.
_INDEX_BYTES = 8 * 1024 * 1024
_ALL_INDEX_BYTES = 64 * 1024 * 1024
_LEAST_INDEX_BYTES = 64 * 1024
_MODEL_CONFIG_BYTES = 256 * 1024


class _Index(msgspec.Struct):
    weight_map: dict[str, str]


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An epoch's directory; whole if it has no problem."""

    problem: Problem | None = None
    shards: tuple[FileFact, ...] = ()
    #: Merged shards with an adapter's config beside them.
    merged_adapter: bool = False
    #: Its config.json has rope_parameters alone, as transformers 5 writes it and 4 doesn't read it.
    rope_for_5: bool = False
    #: There is a file of weights, whole or not.
    has_weights: bool = False
    #: Shards that no index names: transformers finds none of them.
    lacks_index: bool = False
    #: An adapter in torchtune's own format, which peft doesn't load.
    is_own_adapter: bool = False
    #: The base model of an epoch that is an adapter alone, where it is named by its path.
    base: str | None = None


def inspect(
    directories: Sequence[str],
    early: Mapping[str, Sequence[Answer]] | None = None,
    adapters: Sequence[str] = adapter.WEIGHTS,
) -> Question[list[Checkpoint]]:
    """Look at epochs' directories. `early`: of some, what was answered to `asks` before; `adapters`: names of such weights."""
    known = dict(early or {})
    groups = asks([directory for directory in directories if directory not in known])
    answers = iter((yield from questions.ask([ask for group in groups.values() for ask in group])))
    known |= {directory: [next(answers) for _ in group] for directory, group in groups.items()}
    found = [_promised(known[directory], adapters) for directory in directories]
    whole = [checkpoint for checkpoint in found if checkpoint.problem is None]
    looks, bases = yield from questions.both(
        shards.look([shard for checkpoint in whole for shard in checkpoint.shards]),
        _bases(sorted({checkpoint.base for checkpoint in whole if checkpoint.base is not None})),
    )
    return [_judged(checkpoint, looks, bases) for checkpoint in found]


def asks(directories: Sequence[str]) -> dict[str, list[Ask]]:
    """What is asked first of each."""
    return {directory: _asks(directory, _index_bytes(len(directories))) for directory in directories}


def _index_bytes(directories: int) -> int:
    return max(_LEAST_INDEX_BYTES, min(_INDEX_BYTES, _ALL_INDEX_BYTES // (2 * directories)))


def _asks(directory: str, index_bytes: int) -> list[Ask]:
    return [
        ListDir(directory),
        ReadPart(f"{directory}/{adapter.CONFIG}", 0, adapter.MOST_CONFIG_BYTES),
        ReadPart(f"{directory}/config.json", 0, _MODEL_CONFIG_BYTES),
        *(ReadPart(f"{directory}/{single}.index.json", 0, index_bytes) for single in SINGLE),
    ]


def _bases(paths: Sequence[str]) -> Question[Mapping[str, Answer]]:
    answers = yield from questions.ask([StatPath(path) for path in paths])
    return dict(zip(paths, answers, strict=True))


def _promised(answers: Sequence[Answer], adapters: Sequence[str]) -> Checkpoint:
    """What the listing and the index promise."""
    listing, config, model_config, *indexes = answers
    found = _weights(listing, config, indexes, adapters)
    files = [questions.name(fact) for fact in questions.entries(listing) if questions.is_file(fact)]
    has_weights = any(name.endswith(_WEIGHTS) for name in files)
    return msgspec.structs.replace(found, rope_for_5=_has_rope_of_5(model_config), has_weights=has_weights)


def _weights(
    listing: Answer, config: Answer, indexes: Sequence[Answer], adapters: Sequence[str]
) -> Checkpoint:
    if isinstance(listing, Withheld):
        return _wrong(State.WITHHELD, f"can't be read: {listing.why}")
    entries = {questions.name(fact): fact for fact in questions.entries(listing)}
    if not entries:
        return _wrong(State.ABSENT, "is missing")
    for single, index in zip(SINGLE, indexes, strict=True):
        if f"{single}.index.json" in entries:
            return _indexed(entries[f"{single}.index.json"], index, entries)
        if single in entries:
            return _with_shards({single}, entries)
    if names := _counted(entries):
        return msgspec.structs.replace(_with_shards(names, entries), lacks_index=True)
    return _adapter(config, entries, adapters)


def _counted(entries: Mapping[str, FileFact]) -> set[str]:
    """The shards that there should be by the name of one: torchtune's own format, and Meta's, have no index."""
    count = max((int(match[1]) for name in entries if (match := _SHARD.fullmatch(name))), default=0)
    return {f"model-{number:05}-of-{count:05}.bin" for number in range(1, min(count, _MOST_SHARDS) + 1)}


def _has_rope_of_5(config: Answer) -> bool:
    try:
        document = json.loads(questions.text(config))
    except (ValueError, RecursionError):
        return False
    keys = document.keys() if isinstance(document, dict) else set()
    return "rope_parameters" in keys and not keys & {"rope_theta", "rope_scaling"}


def _indexed(fact: FileFact, index: Answer, entries: Mapping[str, FileFact]) -> Checkpoint:
    if not questions.is_file(fact):
        return _wrong(State.BROKEN, "has an index that is no regular file")
    match index:
        case Part(_, data) if len(data) < index.fact.size_bytes:
            return _wrong(
                State.BROKEN, f"has an index of {index.fact.size_bytes} bytes: too large to be read"
            )
        case Part(_, data):
            names = _names(data)
            return _wrong(State.BROKEN, names) if isinstance(names, str) else _with_shards(names, entries)
        case Withheld(why):
            return _wrong(State.WITHHELD, f"has an index that can't be read: {why}")
        case _:
            return _wrong(State.ABSENT, "has an index that is gone")


def _names(index: bytes) -> set[str] | str:
    """The shards that an index names; or what is wrong with it."""
    try:
        names = set(msgspec.json.decode(index, type=_Index).weight_map.values())
    except (msgspec.MsgspecError, RecursionError) as error:
        return f"has a broken index: {error}"
    return (
        names
        if names and all(name and "/" not in name for name in names)
        else "has an index that names no shard"
    )


def _with_shards(names: set[str], entries: Mapping[str, FileFact]) -> Checkpoint:
    if absent := sorted(name for name in names if name not in entries):
        return _wrong(State.ABSENT, f"lacks {listed(absent)}")
    facts = tuple(entries[name] for name in sorted(names))
    return Checkpoint(shards=facts, merged_adapter=adapter.CONFIG in entries)


def _adapter(config: Answer, entries: Mapping[str, FileFact], names: Sequence[str]) -> Checkpoint:
    weights = next((entries[name] for name in names if name in entries), None)
    if weights is None:
        own = f" but {adapter.OWN}, which torchtune alone reads" if adapter.OWN in entries else ""
        return _wrong(State.ABSENT, f"holds no model{own}")
    if questions.name(weights) == adapter.OWN:
        return Checkpoint(shards=(weights,), is_own_adapter=True)
    match config:
        case Part():
            try:
                return Checkpoint(shards=(weights,), base=adapter.base_path(config))
            except adapter.NoAdapter as why:
                return _wrong(State.BROKEN, f"has a broken {adapter.CONFIG}: {why}", weights)
        case Withheld(why):
            return _wrong(State.WITHHELD, f"has an {adapter.CONFIG} that can't be read: {why}")
        case _:
            return _wrong(State.ABSENT, f"lacks {adapter.CONFIG}", weights)


def _wrong(state: State, text: str, *facts: FileFact) -> Checkpoint:
    return Checkpoint(problem=Problem(state, text), shards=facts)


def _judged(checkpoint: Checkpoint, looks: Mapping[str, Answer], bases: Mapping[str, Answer]) -> Checkpoint:
    if checkpoint.problem is not None:
        return checkpoint
    problems = [shards.problem(shard, looks.get(shard.path)) for shard in checkpoint.shards]
    if checkpoint.base is not None and isinstance(bases.get(checkpoint.base), Missing):
        problems.append(_stale(checkpoint.base))
    seen = [_as_read(shard, looks.get(shard.path)) for shard in checkpoint.shards]
    return msgspec.structs.replace(
        checkpoint, problem=shards.worst([problem for problem in problems if problem]), shards=tuple(seen)
    )


def _stale(base: str) -> Problem:
    where = f"{base}, whose ${{...}} nobody resolved" if "${" in base else base
    text = (
        f"names a base model that isn't there, {where}: mend base_model_name_or_path in its {adapter.CONFIG}"
    )
    return Problem(State.BROKEN, text, FailureKind.STALE_LOCAL_BASE_PATH)


def _as_read(shard: FileFact, answer: Answer | None) -> FileFact:
    return answer.fact if isinstance(answer, Part) else shard
