"""What is equal is held once: ten thousand jobs of an experiment say mostly the same words, and each of them says its own again.

What is frozen may be shared by whoever holds it, and nobody can tell.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from runexp.wire.jobs import JobSpec

T = TypeVar("T")
#: A job, by its id, as it is held elsewhere; None: it isn't.
Elsewhere = Callable[[str], JobSpec | None]

_NONE: dict[Any, Any] = {}


class Held:
    """Of what one event or one snapshot says."""

    def __init__(self, elsewhere: Elsewhere = lambda id: None) -> None:
        self._elsewhere = elsewhere
        self._specs: dict[str, JobSpec] = {}
        #: Texts, and tuples of texts, each by itself.
        self._words: dict[Any, Any] = {}

    def of(self, value: T) -> T:
        """An equal one, of what is held already as far as it is."""
        found: Any = value
        if type(value) is str:  # and not a word of an enumeration, which is equal to one
            found = self._words.setdefault(value, value)
        elif isinstance(value, JobSpec):
            found = self._spec(value)
        elif isinstance(value, msgspec.Struct):
            found = self._anew(value)
        elif isinstance(value, tuple):
            found = self._tuple(value)
        elif isinstance(value, dict):
            found = {self.of(key): self.of(each) for key, each in value.items()} or _NONE
        return found  # type: ignore[no-any-return]

    def _spec(self, spec: JobSpec) -> JobSpec:
        known = self._specs.get(spec.id) or self._elsewhere(spec.id)
        found = known if known == spec else self._anew(spec)
        self._specs[spec.id] = found
        return found

    def _anew(self, struct: T) -> T:
        fields: tuple[str, ...] = type(struct).__struct_fields__  # type: ignore[attr-defined]
        return type(struct)(**{name: self.of(getattr(struct, name)) for name in fields})

    def _tuple(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        found = tuple(map(self.of, values))
        are_texts = all(type(each) is str for each in values)
        return self._words.setdefault(found, found) if are_texts else found
