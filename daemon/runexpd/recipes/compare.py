"""What changed from one recipe to another, by value: `lora_rank 4 -> 2`. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from posixpath import basename

from msgspec.structs import replace

from runexp import blank
from runexp.text import printable
from runexp.wire.recipes import Data, Recipe, Text
from runexpd.recipes import meaning

#: Of what is said of one job.
MOST_LINES = 12
_MOST_CHARACTERS = 160
_ABSENT = "(none)"


def changes(before: Recipe, after: Recipe, contents: Mapping[str, str]) -> tuple[str, ...]:
    """A line each; none where it is the same but for comments. `contents`: the texts of both, by their names.

    What can't be read now may be as it was: of that nothing is said.
    """
    if after.missing:
        before = _as_far_as(before, after)
    found = [*_values(before.values, after.values), *_texts(before, after, contents), *_data(before, after)]
    if len(found) > MOST_LINES:
        found[MOST_LINES - 1 :] = [f"and {len(found) - MOST_LINES + 1} more"]
    return tuple(printable(line) for line in found)


def _as_far_as(before: Recipe, after: Recipe) -> Recipe:
    """Without what the later one has nothing of."""
    roles = {text.role for text in after.texts}
    texts = tuple(text for text in before.texts if text.role in roles)
    if any(text.role.endswith("config") and text.role not in roles for text in before.texts):
        values = {key: value for key, value in before.values.items() if key in after.values}
        return replace(before, texts=texts, values=values)
    return replace(before, texts=texts)


def _values(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    names = _short({*before, *after})
    for key in [*before, *(key for key in after if key not in before)]:
        # What was kept by an earlier version may hold what is blanked now.
        old, new = (blank.value(key, of[key]) if key in of else _ABSENT for of in (before, after))
        if old != new:
            yield f"{names[key]} {_cut(old)} -> {_cut(new)}"


def _short(keys: set[str]) -> dict[str, str]:
    """The last part of a dotted key, where no other ends in it."""
    ends = Counter(key.rpartition(".")[2] for key in keys)
    return {key: end if ends[end := key.rpartition(".")[2]] == 1 else key for key in keys}


def _texts(before: Recipe, after: Recipe, contents: Mapping[str, str]) -> Iterator[str]:
    old, new = ({text.role: text for text in recipe.texts} for recipe in (before, after))
    for role in old.keys() | new.keys():
        if role.endswith("config") and (before.values or after.values):
            continue  # compared by value
        yield from _text(old.get(role), new.get(role), contents)


def _text(old: Text | None, new: Text | None, contents: Mapping[str, str]) -> Iterator[str]:
    if old is None or new is None:
        there = old or new
        assert there is not None
        yield f"{basename(there.path)} {'is new' if old is None else 'is gone'}"
    elif old.sha256 != new.sha256 and old.meaning != new.meaning:
        pair = [meaning.lines(contents.get(text.content, "")) for text in (old, new)]
        yield f"{basename(new.path)}: {_difference(*pair)}"


def _difference(old: list[str], new: list[str]) -> str:
    """One line that says other words; or how many do."""
    parts = [
        part for part in SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if part[0] != "equal"
    ]
    removed = [line for _, start, end, _, _ in parts for line in old[start:end]]
    added = [line for _, _, _, start, end in parts for line in new[start:end]]
    if len(removed) == len(added) == 1:
        return _words(removed[0].split(), added[0].split())
    if len(removed) + len(added) == 1:
        return f"without `{_cut(removed[0].strip())}`" if removed else f"with `{_cut(added[0].strip())}`"
    return f"{max(len(removed), len(added))} lines differ"


def _words(old: list[str], new: list[str]) -> str:
    """The words that differ, with the option before them."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    before, after = (" ".join(words[start : len(words) - end]) or _ABSENT for words in (old, new))
    option = old[start - 1] if start and old[start - 1].startswith("-") else ""
    return f"{option} {_cut(before)} -> {_cut(after)}".strip()


def _data(before: Recipe, after: Recipe) -> Iterator[str]:
    old, new = ({each.path: each for each in recipe.data} for recipe in (before, after))
    for path in old.keys() & new.keys():
        if not _is_same(old[path], new[path]):
            yield f"{basename(path)} {_size(old[path])} -> {_size(new[path])}, other content"


def _is_same(old: Data, new: Data) -> bool:
    if old.sha256 and new.sha256:
        return old.sha256 == new.sha256
    return (old.size_bytes, old.modified_at) == (new.size_bytes, new.modified_at)


def _size(data: Data) -> str:
    return f"{data.size_bytes} B"


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
