"""The page of what the page for a browser answers to programs."""

import inspect
from collections.abc import Callable
from typing import Any

from reference import comments
from reference.layout import Entry, Page, Section
from runexpd.web import actions, answers, streams

_TEXT = """The same as the page shows, as JSON: [The page](../page.md) says how a program logs in. `{id}` is an experiment's id or name.
What an answer holds is described at its type in `client/runexp/wire/`; an error is `Refused`, with a status from 400 on."""
_RAISES = "Raises Problem."


def page() -> Page:
    sections = (_answers(), _streams(), _actions())
    return Page(title="Addresses of the page", text=_TEXT, sections=sections)


def _answers() -> Section:
    entries = tuple(
        Entry(
            name=path,
            text=_said(answer),
            cells=(f"`{inspect.signature(answer).return_annotation.__name__}`",),
        )
        for path, answer in answers.ANSWERS.items()
    )
    return Section(
        title="Answers", text="By GET; what is in `code` below follows a `?`.", heads=("is",), entries=entries
    )


def _streams() -> Section:
    entries = tuple(Entry(name=path, text=_said(stream)) for path, stream in streams.STREAMS.items())
    return Section(title="Streams", text="Server-sent events, by GET.", entries=entries)


def _actions() -> Section:
    path = "/api/experiments/{id}"
    entries = tuple(
        Entry(name=f"{path}/{verb.name}", text=f"{verb.title}: {verb.consequence}")
        for verb in actions.VERBS.values()
    )
    text = "By POST, with `job=JOB` once a job, or none for all; where the configuration has `actions: true`."
    return Section(title="Actions", text=text, entries=entries)


def _said(call: Callable[..., Any]) -> str:
    return " ".join(comments.doc(call).replace(_RAISES, "").split())
