"""Recipes, read from a host and kept in the ledger: what an attempt was made of, and what the scaffold says otherwise now."""

from collections.abc import Mapping, Sequence

import anyio.to_thread

from runexp.wire.jobs import JobSpec
from runexp.wire.recipes import Recipe
from runexpd.hosts.base import Host
from runexpd.ledger import contents, desk
from runexpd.ledger.store import Ledger
from runexpd.recipes import compare
from runexpd.runtime import recipes
from runexpd.runtime.recipes import Made
from runexpd.tools.base import Tool


class Pantry:
    def __init__(self, ledger: Ledger, tools: Mapping[str, Tool]) -> None:
        self._ledger = ledger
        self._tools = tools

    async def read(self, host: Host, dir: str, jobs: Sequence[JobSpec]) -> list[Made]:
        """As they stand, in order. Raises HostUnreachable."""
        return await recipes.read(self._tools, host, dir, jobs)

    async def keep(self, made: Sequence[Made]) -> list[str]:
        """What they are kept by. Raises LedgerUnwritable and LedgerDamaged."""
        bodies = [contents.encoded(each.recipe) for each in made]
        names = [contents.name(body) for body in bodies]
        texts = {name: text.encode() for each in made for name, text in each.contents.items()}
        await desk.ask(
            lambda: contents.keep(self._ledger, {**texts, **dict(zip(names, bodies, strict=True))})
        )
        return names

    async def kept(self, names: Sequence[str]) -> tuple[dict[str, Recipe], dict[str, str]]:
        """Recipes by name, and the texts that they name. Raises LedgerUnwritable and LedgerDamaged."""

        def read() -> tuple[dict[str, Recipe], dict[str, str]]:
            found = contents.recipes(self._ledger, names)
            return found, contents.texts(self._ledger, found.values())

        return await desk.ask(read)

    async def changes(
        self, made_of: Mapping[str, str], now: Mapping[str, Made]
    ) -> dict[str, tuple[str, ...]]:
        """What is said otherwise now, by job, where anything is. `made_of`: by job, the names of what results came from."""
        if not made_of:
            return {}
        found, texts = await self.kept(list(made_of.values()))

        def compared() -> dict[str, tuple[str, ...]]:
            pairs = {
                id: (found[name], now[id]) for id, name in made_of.items() if name in found and id in now
            }
            said = {
                id: compare.changes(before, after.recipe, {**texts, **after.contents})
                for id, (before, after) in pairs.items()
            }
            return {id: lines for id, lines in said.items() if lines}

        return await anyio.to_thread.run_sync(compared)
