"""What no experiment needs any more goes, and what is derived is made anew. While no daemon uses the ledger."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from runexpd.core.state import State
from runexpd.ledger import contents
from runexpd.ledger.store import Ledger
from runexpd.metrics.store import Store
from runexpd.runtime.shelf import Shelf
from runexpd.upkeep.check import size_bytes

_RECIPES = (
    "SELECT DISTINCT json_extract(CAST(body AS TEXT), '$.recipe') FROM events WHERE type = 'RecipeRecorded'"
)


def compact(path: Path, metrics: Path) -> tuple[int, int]:
    """Make the files of the ledger and of the metrics as small as they can be; their bytes before and after.

    Raises LedgerError (LedgerLocked while a daemon uses them), OSError and sqlite3.Error; the ledger is whole whenever this is
    interrupted.
    """
    before = size_bytes(path) + size_bytes(metrics)
    with Ledger(path) as ledger:
        experiments = set(ledger.heads())
        _forget_contents(ledger)
        ledger.change("DELETE FROM snapshots")
        Shelf(ledger).opened(State())
        ledger.change("VACUUM")
    if metrics.exists():
        with closing(Store(metrics)) as store:
            store.keep(experiments)
    return before, size_bytes(path) + size_bytes(metrics)


def _forget_contents(ledger: Ledger) -> None:
    """Texts that no recipe names, and recipes that no event names."""
    needed = set(_needed(ledger))
    unneeded = [(name,) for (name,) in ledger.rows("SELECT name FROM contents") if name not in needed]
    ledger.change_all("DELETE FROM contents WHERE name = ?", unneeded)


def _needed(ledger: Ledger) -> Iterator[str]:
    recipes = [name for (name,) in ledger.rows(_RECIPES)]
    yield from recipes
    for recipe in contents.recipes(ledger, recipes).values():
        yield from (text.content for text in recipe.texts)
