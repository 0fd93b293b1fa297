"""The detector of blocking calls finds them: else it would be silent for the wrong reason."""

import time
from pathlib import Path

import anyio
import pytest

from fakes import responsive as detector
from fakes.responsive import responsive
from runexpd.ledger.store import Ledger


def test_a_ledger_that_is_asked_on_the_loop_is_found_also_where_the_error_is_swallowed(
    tmp_path: Path,
) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:

        async def ask() -> None:
            try:
                list(ledger.heads())
            except Exception:
                return

        with pytest.raises(AssertionError, match=r"sqlite3.Connection.execute is called"), responsive():
            anyio.run(ask)


def test_a_turn_that_lasts_too_long_is_found_with_its_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector, "SLOW_SECONDS", 0.05)
    monkeypatch.setattr(detector, "DEAF_SECONDS", 0.2)

    async def dawdle() -> None:
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            pass

    with pytest.raises(AssertionError, match=r"a turn lasts(.|\n)*in dawdle"), responsive():
        anyio.run(dawdle)


def test_what_does_not_block_is_let_be(tmp_path: Path) -> None:
    async def wait() -> None:
        await anyio.sleep(0.01)
        assert await anyio.Path(tmp_path).exists()

    with responsive():
        anyio.run(wait)
