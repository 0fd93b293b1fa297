"""What the ingredients of a job's recipe are made of, whatever its tool. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from posixpath import join, normpath
from typing import Any

import msgspec

from runexpd.hosts.base import Answer, ListDir, Missing, Part, ReadPart, Withheld
from runexpd.tools import interpolation, questions
from runexpd.tools.base import Question, Source

#: Of a script or a config; what is longer is no such thing.
_TEXT_BYTES = 256 * 1024
MOST_VALUES = 500
_MOST_CHARACTERS = 300
_MOST_FILES = 40
_MOST_ENVIRONMENTS = 4
#: Packages on which scores depend; of an environment's hundreds, these are kept.
_PACKAGES = frozenset(
    {
        *("torch", "torchtune", "torchao", "torchdata", "transformers", "tokenizers", "peft", "accelerate"),
        *("safetensors", "datasets", "huggingface-hub", "inspect-ai", "inspect-evals", "vllm", "wandb"),
        *(
            "numpy",
            "bitsandbytes",
            "flash-attn",
            "deepspeed",
            "trl",
            "sentencepiece",
            "tiktoken",
            "cruijff-kit",
        ),
    }
)
_INSTALLED = re.compile(r"(?P<name>[A-Za-z0-9_.]{1,100})-(?P<version>[^-/]{1,60})\.dist-info")
_PYTHON = re.compile(r"python(\d\.\d{1,3})")


def whole(path: str) -> ReadPart:
    return ReadPart(path, 0, _TEXT_BYTES)


def source(role: str, path: str, answer: Answer) -> list[Source]:
    """None where there is no such file."""
    return [Source(role, path, questions.text(answer))] if isinstance(answer, Part) else []


def missing(path: str, answer: Answer) -> list[str]:
    """That a file isn't there, or can't be read."""
    if isinstance(answer, Withheld):
        return [questions.withheld(path, answer)]
    return [f"{path}: there is no such file"] if isinstance(answer, Missing) else []


def values(document: Mapping[str, Any]) -> dict[str, str]:
    """A config's entries by their dotted keys, resolved as far as they can be, as YAML writes them."""
    found = {}
    for key, raw in islice(_flat(document, ""), MOST_VALUES):
        found[key] = _said(_resolved(document, key, raw))
    return found


def _flat(document: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _resolved(document: Mapping[str, Any], key: str, raw: Any) -> Any:
    if not isinstance(raw, str) or "${" not in raw:
        return raw
    try:
        return interpolation.value(document, key)
    except interpolation.Unresolved:
        return raw


def _said(value: Any) -> str:
    said = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    return said if len(said) <= _MOST_CHARACTERS else f"{said[:_MOST_CHARACTERS]}..."


def files(candidates: Sequence[str], runs_in: str) -> tuple[str, ...]:
    """Those that look like paths, absolute."""
    paths = (normpath(join(runs_in, text)) for text in candidates if _is_pathlike(text))
    return tuple(islice(dict.fromkeys(path for path in paths if questions.askable(path)), _MOST_FILES))


def _is_pathlike(text: str) -> bool:
    return "/" in text and "://" not in text and not re.search(r"[\s$*?\"'{}\[\]<>|;]", text)


def versions(environments: Sequence[str]) -> Question[dict[str, str]]:
    """Of packages that matter, in the environments that a script activates."""
    paths = [path for path in environments[:_MOST_ENVIRONMENTS] if questions.askable(path)]
    listings = yield from questions.ask([ListDir(f"{path}/lib") for path in paths])
    libraries = [
        fact.path
        for listing in listings
        for fact in questions.entries(listing)
        if _PYTHON.fullmatch(questions.name(fact))
    ]
    installed = yield from questions.ask([ListDir(f"{library}/site-packages") for library in libraries])
    found = {"python": libraries[-1].rpartition("/python")[2]} if libraries else {}
    for listing in installed:
        for fact in questions.entries(listing):
            match = _INSTALLED.fullmatch(questions.name(fact))
            if match and (name := match["name"].replace("_", "-").lower()) in _PACKAGES:
                found[name] = match["version"]
    return dict(sorted(found.items()))
