"""Whether files of weights are whole, by their beginnings or ends: all of them side by side, in two rounds at most. Pure."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from posixpath import splitext

import msgspec

from runexp.wire.failures import FailureKind
from runexpd.hosts.base import Answer, Ask, FileFact, Part, ReadPart, Withheld
from runexpd.tools import questions, safetensors, torch_zip
from runexpd.tools.base import Question

#: By the ending of a name.
FORMATS = (".safetensors", ".bin", ".pt")
#: Of a file at first, where a header of two thousand tensors ends; and of all headers together, in each round.
_HEAD_BYTES = 256 * 1024
_ALL_HEAD_BYTES = 32 * 1024 * 1024

#: Of many problems.
_MOST_NAMED = 5


class State(StrEnum):
    #: Not there; a network file system may show it yet.
    ABSENT = "absent"
    #: What is there can't be, or become, a whole model.
    BROKEN = "broken"
    #: The host doesn't let us look.
    WITHHELD = "withheld"


class Problem(msgspec.Struct, frozen=True):
    state: State
    #: As it follows the name of the epoch.
    text: str
    #: Of the failure that it is.
    kind: FailureKind = FailureKind.CHECKPOINT


def look(shards: Sequence[FileFact]) -> Question[Mapping[str, Answer]]:
    """What tells of each shard whether it is whole, by its path."""
    first = min(_HEAD_BYTES, _ALL_HEAD_BYTES // max(1, len(shards)))
    asks = {shard.path: _first_look(shard, first) for shard in shards if _format(shard)}
    looks = yield from _answered(asks)
    longer = yield from _answered(_longer(looks))
    return {**looks, **longer}


def _answered(asks: Mapping[str, Ask]) -> Question[dict[str, Answer]]:
    answers = yield from questions.ask(list(asks.values()))
    return dict(zip(asks, answers, strict=True))


def _first_look(shard: FileFact, head_bytes: int) -> Ask:
    if _format(shard) == ".safetensors":
        return ReadPart(shard.path, 0, head_bytes)
    tail = min(shard.size_bytes, torch_zip.TAIL_BYTES)
    return ReadPart(shard.path, -tail, tail)


def _longer(looks: Mapping[str, Answer]) -> dict[str, Ask]:
    """The headers that weren't seen whole, in files that are long enough for them, as many as may be read."""
    asks: dict[str, Ask] = {}
    left = _ALL_HEAD_BYTES
    for path, answer in looks.items():
        if isinstance(answer, Part) and path.endswith(".safetensors"):
            end = safetensors.header_end(answer.data)
            if len(answer.data) < end <= min(answer.fact.size_bytes, left):
                asks[path] = ReadPart(path, 0, end)
                left -= end
    return asks


def _format(shard: FileFact) -> str:
    """The ending that tells it; empty where none does, or it is no file."""
    ending = splitext(shard.path)[1]
    return ending if ending in FORMATS and questions.is_file(shard) else ""


def problem(shard: FileFact, answer: Answer | None) -> Problem | None:
    """What is wrong with a shard, by what was seen of it."""
    name = questions.name(shard)
    match answer:
        case Part(fact, data):
            return _not_whole(name, fact, data)
        case Withheld(why):
            return Problem(State.WITHHELD, f"has {name}, which can't be read: {why}")
        case None if not questions.is_file(shard):
            return Problem(State.BROKEN, f"{name} is no regular file")
        case None:
            return Problem(State.BROKEN, f"{name} is of no known format ({', '.join(FORMATS)})")
        case _:
            return Problem(State.ABSENT, f"{name} is gone")


def _not_whole(name: str, fact: FileFact, data: bytes) -> Problem | None:
    ending = splitext(name)[1]
    whole = safetensors.whole_bytes(data) if ending == ".safetensors" else torch_zip.whole_bytes(data)
    if whole is None:
        return Problem(State.BROKEN, f"{name} is no whole {ending.removeprefix('.')} file")
    if whole != fact.size_bytes:
        return Problem(State.BROKEN, f"{name} has {fact.size_bytes} of {whole} bytes")
    return None


def worst(problems: Sequence[Problem]) -> Problem | None:
    """What contradicts before what can't be read before what isn't there; all of the worst sort, the first of them by name."""
    for state in (State.BROKEN, State.WITHHELD, State.ABSENT):
        if of_state := [problem for problem in problems if problem.state is state]:
            more = f"; and {len(of_state) - _MOST_NAMED} more" if len(of_state) > _MOST_NAMED else ""
            text = "; ".join(problem.text for problem in of_state[:_MOST_NAMED])
            return Problem(state, text + more, of_state[0].kind)
    return None
