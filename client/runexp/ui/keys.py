"""What can be pressed: one table for the keys, the last line and the help. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

from runexp.ui import cells
from runexp.ui.palette import Line, Span


class Key(NamedTuple):
    #: As the terminal library calls them, with commas between.
    names: str
    #: As a person reads them.
    shown: str
    action: str
    #: For the last line; empty: only in the help.
    short: str
    help: str


def actions(keys: "tuple[Key, ...]") -> dict[str, str]:
    """What each key does."""
    return {name: key.action for key in keys for name in key.names.split(",")}


SUSPEND = Key("ctrl+z", "", "app.suspend_process", "", "")
LEAVE = Key("d,q,ctrl+c", "d", "leave", "detach", "d, q, Ctrl-C: detach; the jobs go on")
HELP = Key("question_mark,f1", "?", "help", "help", "?: this help; any key closes it")
BACK = Key("escape,backspace", "Esc", "back", "", "Esc: close what is open, drop the filter, go back")

EXPERIMENT = (
    LEAVE,
    Key("up,k", "↑", "move(-1)", "", "↑ ↓, PgUp PgDn, Home End, j k g G: go through the jobs; the wheel, too"),
    Key("down,j", "↓", "move(1)", "", ""),
    Key("pageup,ctrl+b", "", "page(-1)", "", ""),
    Key("pagedown,ctrl+f", "", "page(1)", "", ""),
    Key("home,g", "", "end(0)", "", ""),
    Key("end,G", "", "end(1)", "", ""),
    Key("enter", "Enter", "open", "open", "Enter: a job fills the screen, a group folds or unfolds; Esc goes back"),
    Key("slash", "/", "filter", "filter", "/: show only jobs that hold the words you type (name, state, what is the matter)"),
    Key("left,h", "←", "fold(True)", "", "← →, Space: fold and unfold a group;  z: all of them"),
    Key("right,l", "→", "fold(False)", "", ""),
    Key("space", "", "fold", "", ""),
    Key("z", "z", "fold_all", "", ""),
    Key("b", "b", "by", "group", "b: group by standing, run or phase"),
    Key("tab", "Tab", "tab(1)", "panes", "Tab, 1 2 3 4: curves, output, job, events"),
    Key("shift+tab", "", "tab(-1)", "", ""),
    Key("1", "", "show('curves')", "", ""),
    Key("2", "", "show('output')", "", ""),
    Key("3", "", "show('job')", "", ""),
    Key("4", "", "show('events')", "", ""),
    Key("m", "m", "quantity", "", "m: another quantity's curves: loss, tokens/s, learning rate, ..."),
    Key("J,shift+down", "", "scroll(1)", "", "J K: scroll the pane; at its end it goes along with what comes"),
    Key("K,shift+up", "", "scroll(-1)", "", ""),
    Key("c", "c", "ask('cancel')", "cancel", "c: cancel the chosen job, or all of a group; it asks first"),
    Key("r", "r", "ask('retry')", "retry", "r: submit what failed again, once it is mended; it asks first"),
    Key("R", "R", "ask('rerun')", "rerun", "R: make jobs anew, whatever they came to (changed, outdated); it asks first"),
    Key("a", "a", "ask('accept')", "accept", "a: take results as they are, that are unclear or failed; it asks first"),
    BACK,
    SUSPEND,
    HELP,
)  # fmt: skip
EVERYTHING = (
    LEAVE,
    Key("up,k", "↑", "move(-1)", "", "↑ ↓, PgUp PgDn, Home End, j k g G: go through the experiments"),
    Key("down,j", "↓", "move(1)", "", ""),
    Key("pageup,ctrl+b", "", "page(-1)", "", ""),
    Key("pagedown,ctrl+f", "", "page(1)", "", ""),
    Key("home,g", "", "end(0)", "", ""),
    Key("end,G", "", "end(1)", "", ""),
    Key("enter,right,l", "Enter", "open", "open", "Enter: open the experiment; Esc comes back here"),
    Key("slash", "/", "filter", "filter", "/: show only experiments that hold the words you type"),
    Key("A", "A", "turn", "archived", "A: the archived ones (runexp archive), and back"),
    BACK,
    SUSPEND,
    HELP,
)


def bar(keys: tuple[Key, ...], room: int) -> tuple[Line, list[tuple[int, int, str]]]:
    """The last line, as many keys as fit, and where each is: from, to, action."""
    spans: list[Span] = []
    places: list[tuple[int, int, str]] = []
    at = 0
    for key in sorted((key for key in keys if key.short), key=lambda key: key not in (LEAVE, HELP)):
        text = f" {key.shown} {key.short} "
        if at + len(text) <= room:
            places.append((at, at + cells.width(text), key.action))
            spans += [Span(f" {key.shown}", "key"), Span(f" {key.short} ", "dim")]
            at += cells.width(text)
    return tuple(spans), places


def help_lines(keys: tuple[Key, ...], room: int) -> list[Line]:
    """What each key does, in lines of at most so many cells."""
    legend = "✗ failed  ? needs a decision  ! not as it should be  ► running  ◌ queued  · planned  ✓ done  - skipped"
    explained = (line for key in keys if key.help for line in _explained(key.help, room))
    return [*explained, (), *((Span(piece),) for piece in cells.folded(legend, room))]


def _explained(text: str, room: int) -> Iterator[Line]:
    """What is pressed stands out."""
    pressed = text.partition(":")[0]
    first, *others = cells.hung(text, room, 2)
    yield Span(pressed, "key"), Span(first[len(pressed) :])
    yield from ((Span(other),) for other in others)
