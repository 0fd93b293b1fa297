"""Single values of a config with `${...}` in them, OmegaConf's. Pure; no torch.

OmegaConf resolves as far as it is led, and a chain of ten lines that doubles at each leads it to a gigabyte. So what a value
refers to is followed here first, and counted; OmegaConf is given those few entries alone, once they are known to be small.
"""

import re
from collections.abc import Mapping
from typing import Any

#: Of a value, resolved.
MOST_CHARACTERS = 4096
#: Entries that one value may lead to.
_MOST_ENTRIES = 200
_MOST_DEPTH = 50
_MOST_LIST = 10_000

#: OmegaConf's word for a value that is still to be given.
_MISSING = "???"
_REFERENCE = re.compile(r"\$\{([^${}]{0,300})\}")
_PLAIN = re.compile(r"\s{0,10}(\.*)([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)\s{0,10}")

Path = tuple[str, ...]


class Unresolved(Exception):
    """Raised when a value can't be told: it leads nowhere, in a circle, out of the config, or to too much."""


class OnlyTheJobKnows(Unresolved):
    """Raised when a value is made where the job runs: of its environment, or by a resolver of the recipe's own."""


def value(document: Mapping[str, Any], key: str) -> Any:
    """A scalar or a list of scalars, by its dotted key, resolved; None where there is none. Raises Unresolved."""
    walk = _Walk(document)
    path = tuple(key.split("."))
    if walk.length(path) is None:
        return None
    if not walk.refers:
        return None if walk.entries[path] == _MISSING else walk.entries[path]
    if walk.is_plain and _MISSING not in (found := walk.texts(path)):
        return found[-1]
    # Imported here: it costs 80 ms, and most of what is asked needs none of it.
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        found = OmegaConf.select(OmegaConf.create(_nested(walk.entries)), key)
        return OmegaConf.to_container(found) if OmegaConf.is_config(found) else found
    except (OmegaConfBaseException, ValueError, RecursionError) as error:
        raise Unresolved(str(error).split("\n")[0]) from None


class _Walk:
    """Follows what a value refers to, each entry once."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        #: What the value is made of, as it stands.
        self.entries: dict[Path, Any] = {}
        self.refers = False
        #: Whether it is made of texts and numbers alone: those OmegaConf puts together as anybody would, a thousand times slower.
        self.is_plain = True
        self._lengths: dict[Path, int] = {}
        self._open: set[Path] = set()

    def length(self, path: Path) -> int | None:
        """How many characters a value has once it is resolved; None where there is none. Raises Unresolved."""
        if path in self._lengths:
            return self._lengths[path]
        if path in self._open:
            raise Unresolved(f"{'.'.join(path)} refers to itself")
        if len(self._open) >= _MOST_DEPTH or len(self.entries) >= _MOST_ENTRIES:
            raise Unresolved("it leads through too many interpolations")
        self._open.add(path)
        found = self._length(path)
        self._open.discard(path)
        if found is not None:
            self._lengths[path] = found
        return found

    def texts(self, path: Path) -> list[str | int]:
        """What a plain one comes to, once its length is known, after all that it is put together of."""
        made: list[str | int] = []

        def value(path: Path) -> str | int:
            stands: str | int = self.entries[path]
            if isinstance(stands, str):
                whole = _REFERENCE.fullmatch(stands)
                target = self._target
                stands = (
                    value(target(path, whole[1]))
                    if whole
                    else _REFERENCE.sub(lambda found: str(value(target(path, found[1]))), stands)
                )
            made.append(stands)
            return stands

        value(path)
        return made

    def _length(self, path: Path) -> int | None:
        at, stands = self._entry(path)
        if stands is None:
            return None
        self.entries[at] = stands
        self.is_plain = self.is_plain and at == path and isinstance(stands, str | int) and stands != _MISSING
        if at != path:  # an interpolation to a whole mapping, in which the rest is looked for
            return self.length(self._single(at, stands) + path[len(at) :])
        if isinstance(stands, str):
            return self._text_length(at, stands)
        if isinstance(stands, list):
            return _checked_list(stands)
        if isinstance(stands, Mapping):
            raise Unresolved(f"{'.'.join(path)} is a mapping, where a value is needed")
        return len(str(stands))

    def _entry(self, path: Path) -> tuple[Path, Any]:
        """What stands at a path, or at the text above it that leads elsewhere."""
        current: Any = self.document
        for depth, key in enumerate(path):
            if isinstance(current, str) and "${" in current:
                return path[:depth], current
            current = current.get(key) if isinstance(current, Mapping) else None
        return path, current

    def _text_length(self, at: Path, text: str) -> int:
        if len(text) > MOST_CHARACTERS:
            raise Unresolved(f"{'.'.join(at)} is longer than {MOST_CHARACTERS} characters")
        if "${" not in text:
            return len(text)
        if "${" in _REFERENCE.sub("", text) or "\\" in text:
            raise OnlyTheJobKnows(f"{'.'.join(at)} holds an interpolation that can't be followed here")
        self.refers = True
        length = len(_REFERENCE.sub("", text))
        for reference in _REFERENCE.findall(text):
            length += self._reference_length(at, reference)
            if length > MOST_CHARACTERS:
                raise Unresolved(
                    f"{'.'.join(at)} is longer than {MOST_CHARACTERS} characters once it is resolved"
                )
        return length

    def _reference_length(self, at: Path, reference: str) -> int:
        found = self.length(self._target(at, reference))
        if found is None:
            raise Unresolved(f"Interpolation key '{reference}' not found")
        return found

    def _target(self, at: Path, reference: str) -> Path:
        plain = _PLAIN.fullmatch(reference)
        if plain is None:
            raise OnlyTheJobKnows(f"${{{reference}}} can't be resolved here: only the job knows it")
        dots, keys = len(plain[1]), tuple(plain[2].split("."))
        if dots > len(at):
            raise Unresolved(f"${{{reference}}} leads out of the config")
        return (*at[: len(at) - dots], *keys) if dots else keys

    def _single(self, at: Path, text: str) -> Path:
        self.refers = True
        whole = _REFERENCE.fullmatch(text)
        if whole is None:
            raise Unresolved(f"{'.'.join(at)} is a text, where a mapping is needed")
        return self._target(at, whole[1])


def _checked_list(values: list[Any]) -> int:
    if len(values) > _MOST_LIST or any(isinstance(value, str | list | Mapping) for value in values):
        raise Unresolved("a list of numbers is needed")
    return 0


def _nested(entries: Mapping[Path, Any]) -> dict[str, Any]:
    """A config of these entries alone."""
    document: dict[str, Any] = {}
    for path, stands in entries.items():
        current = document
        for key in path[:-1]:
            current = current.setdefault(key, {})
        current[path[-1]] = stands
    return document
