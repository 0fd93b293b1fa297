"""A recipe as lines of text, and what differs between two. Pure."""

import time
from collections.abc import Iterator
from difflib import unified_diff

from runexp.wire.recipes import Data, Recipe, Text, WithTexts
from runexp.wire.requests import ShowReply


def lines(reply: ShowReply) -> Iterator[str]:
    """All of it: facts, settings, texts."""
    shown = reply.shown
    yield f"{reply.job}, {_which(shown)}"
    yield from _facts(shown.recipe)
    if shown.models:
        yield f"model     trained by {', '.join(shown.models)}"
    if shown.recipe.values:
        yield "settings"
        yield from (f"  {key}: {value}" for key, value in shown.recipe.values.items())
    for text in shown.recipe.texts:
        yield ""
        yield f"--- {text.role}: {text.path} (sha256 {text.sha256[:16]})"
        yield shown.contents.get(text.content, "").rstrip("\n")


def _which(shown: WithTexts) -> str:
    if shown.attempt:
        return f"attempt {shown.attempt}"
    return "as it stood when its results were found" if shown.found else "as it stands"


def _facts(recipe: Recipe) -> Iterator[str]:
    if recipe.commit:
        yield f"commit    {recipe.commit}{', with changes that are not committed' if recipe.dirty else ''}"
    if recipe.versions:
        yield "versions  " + ", ".join(f"{name} {version}" for name, version in recipe.versions.items())
    for data in recipe.data:
        yield f"data      {_data(data)}"
    for line in recipe.missing:
        yield f"missing   {line}"


def _data(data: Data) -> str:
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(data.modified_at))
    known = f"sha256 {data.sha256[:16]}" if data.sha256 else "too large to be hashed"
    return f"{data.path} ({data.size_bytes} bytes, {at}, {known})"


def difference(reply: ShowReply) -> Iterator[str]:
    """By value first, then the texts line by line."""
    before, after = reply.shown, reply.against
    assert after is not None
    yield f"{reply.job}: {_which(before)} -> {_which(after)}"
    yield from (f"  {line}" for line in reply.changes or ("nothing that has a meaning changed",))
    yield from _environment(before.recipe, after.recipe)
    old, new = ({text.role: text for text in shown.recipe.texts} for shown in (before, after))
    for role in sorted(old.keys() | new.keys()):
        first, second = old.get(role), new.get(role)
        yield from unified_diff(
            _split(before, first),
            _split(after, second),
            _named(before, first),
            _named(after, second),
            lineterm="",
        )


def _named(shown: WithTexts, text: Text | None) -> str:
    return f"{text.path if text else '/dev/null'} ({_which(shown)})"


def _environment(before: Recipe, after: Recipe) -> Iterator[str]:
    for name in sorted({*before.versions, *after.versions}):
        old, new = before.versions.get(name, "(none)"), after.versions.get(name, "(none)")
        if old != new:
            yield f"  version of {name}: {old} -> {new}"
    if before.commit != after.commit:
        yield f"  commit {before.commit[:12] or '(none)'} -> {after.commit[:12] or '(none)'}"


def _split(shown: WithTexts, text: Text | None) -> list[str]:
    return shown.contents.get(text.content, "").splitlines() if text else []
