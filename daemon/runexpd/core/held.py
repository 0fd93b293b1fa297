"""What is equal is held once: ten thousand jobs of an experiment say mostly the same words, and each of them says its own again.

What is frozen may be shared by whoever holds it, and nobody can tell.
"""

from collections.abc import Callable
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args

import msgspec
from msgspec.structs import force_setattr

from runexp.wire.jobs import JobSpec

T = TypeVar("T")
#: A job, by its id, as it is held elsewhere; None: it isn't.
Elsewhere = Callable[[str], JobSpec | None]

_NONE: dict[Any, Any] = {}
_PLAIN = (int, float, Enum, NoneType)


class Held:
    """Of what one event or one snapshot says."""

    def __init__(self, elsewhere: Elsewhere = lambda id: None) -> None:
        self._elsewhere = elsewhere
        self._specs: dict[str, JobSpec] = {}
        #: Texts, and tuples of texts, each by itself.
        self._words: dict[Any, Any] = {}

    def of(self, value: T) -> T:
        """An equal one, of what is held already as far as it is. A struct stays itself, and only its parts become such."""
        found: Any = value
        if type(value) is str:  # and not a word of an enumeration, which is equal to one
            found = self._words.setdefault(value, value)
        elif isinstance(value, JobSpec):
            found = self._spec(value)
        elif isinstance(value, msgspec.Struct):
            self._share(value)
        elif isinstance(value, tuple):
            found = self._tuple(value)
        elif isinstance(value, dict):
            found = {self.of(key): self.of(each) for key, each in value.items()} or _NONE
        return found  # type: ignore[no-any-return]

    def _spec(self, spec: JobSpec) -> JobSpec:
        known = self._specs.get(spec.id) or self._elsewhere(spec.id)
        if known != spec:
            self._share(spec)
            known = spec
        self._specs[spec.id] = known
        return known

    def _share(self, struct: msgspec.Struct) -> None:
        words = self._words
        for name in _shared(type(struct)):
            part = getattr(struct, name)
            if type(part) is str:  # the most of all, and not worth a call
                held: Any = words.setdefault(part, part)
            elif part:
                held = self.of(part)
            else:
                held = _NONE if type(part) is dict else part
            if held is not part:
                force_setattr(struct, name, held)

    def _tuple(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        found = tuple(map(self.of, values))
        are_texts = all(type(each) is str for each in values)
        return self._words.setdefault(found, found) if are_texts else found


@cache
def _shared(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Names of the fields that are more than a number or a word of an enumeration."""
    return tuple(field.name for field in msgspec.structs.fields(kind) if not _is_plain(field.type))


def _is_plain(annotation: Any) -> bool:
    kinds = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return all(isinstance(kind, type) and issubclass(kind, _PLAIN) for kind in kinds)
