"""The page of what can be configured: for the daemon in a file, and for an experiment by `runexp run` and `runexp set`."""

import msgspec

from reference import comments, shapes
from reference.layout import Page, Section
from runexp.wire.jobs import Barrier, OnFailure, OnStall, Policy
from runexp.wire.settings import Settings as Settable
from runexpd import settings
from runexpd.notices.rules import Rule

_HEADS = ("may be", "where it isn't said")
_TEXT = """Of the daemon: `~/.config/runexp/config.yaml`, all of it optional. `runexpd --check` says what is wrong with it, and
`runexp daemon reload` has it read again. The README has it as it is written. What an experiment goes by is chosen at `runexp run`,
remembered, and changed by `runexp set`."""

#: What each is called in the file.
_PARTS: dict[type[msgspec.Struct], str] = {
    settings.Local: "local",
    settings.Cluster: "clusters",
    settings.Notify: "notify",
    settings.Web: "web",
}


def page() -> Page:
    return Page(title="Configuration", text=_TEXT, sections=(*_of_the_daemon(), *_of_an_experiment()))


def _of_the_daemon() -> tuple[Section, ...]:
    file = _section("The file", settings.Settings, with_default=False)
    parts = [_section(_PARTS[part], part) for part in shapes.structs(settings.Settings)]
    words = (comments.words("transport", settings.Transport), comments.words("tell", Rule))
    return (file, *parts, *words)


def _of_an_experiment() -> tuple[Section, ...]:
    can_be_set = ", ".join(f"`{name}`" for name in Settable.__struct_fields__)
    whole = _section("Of one experiment", Policy)
    text = f"{whole.text} `runexp set` changes {can_be_set}."
    words = {"on_failure": OnFailure, "barrier": Barrier, "on_stall": OnStall}
    described = (comments.words(name, kind) for name, kind in words.items())
    return (msgspec.structs.replace(whole, text=text), *described)


def _section(title: str, struct: type[msgspec.Struct], with_default: bool = True) -> Section:
    heads = _HEADS if with_default else ()
    entries = (
        msgspec.structs.replace(entry, cells=entry.cells[: len(heads)]) for entry in shapes.fields(struct)
    )
    return Section(title=title, text=comments.doc(struct), heads=heads, entries=tuple(entries))
