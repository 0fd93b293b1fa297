"""A start that is cut short at any moment, at a ledger of any format, costs nothing but the time until the next one."""

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from fakes.builders import World, scaffold
from fakes.home import BIN, Home
from fakes.ledgers import written
from runexpd.ledger import codec
from runexpd.ledger.migrate import shipped
from runexpd.ledger.store import Ledger, Row
from runexpd.runtime.shelf import Shelf
from runtime.rig import EMPTY

EXPERIMENTS = 150
#: From before the ledger is opened until after all is read.
MOMENTS_SECONDS = [0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.3]


def past(dirs: Path) -> list[Row]:
    """Most are over; the last one runs, on a cluster that isn't configured."""
    rows: list[Row] = []
    for number in range(EXPERIMENTS):
        world = World()
        seen = scaffold(["rank4"], experiment=f"e{number}", dir=f"{dirs}/{number}")
        world.see(replace(seen, cluster="gone", name=f"words{number}"))
        if number < EXPERIMENTS - 1:
            world.drain()
        rows += [
            Row(len(rows) + n, each.at, each.experiment, type(each.event).__name__, codec.encode(each.event))
            for n, each in enumerate(world.ledger, 1)
        ]
    return rows


@pytest.mark.long
@pytest.mark.timeout(120)
@pytest.mark.parametrize("format", [1, len(shipped())])
def test_a_start_that_is_killed_at_any_moment_costs_nothing(tmp_path: Path, format: int) -> None:
    home, rows = Home(tmp_path / "home"), past(tmp_path)
    (home.dir / "state").mkdir(mode=0o700)
    ledger_path = home.dir / "state" / "ledger.sqlite"
    written(ledger_path, format, rows)
    for moment in MOMENTS_SECONDS:
        with subprocess.Popen([BIN / "runexpd"], env=home.environment, stderr=subprocess.DEVNULL) as daemon:
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(moment)
            daemon.kill()
    with home.running():
        lines = {line["name"]: (line["outcome"], line["counts"]) for line in home.json("ls")}
    over = "succeeded", {"VERIFIED": 3}
    assert lines == {f"words{n}": over for n in range(EXPERIMENTS - 1)} | {
        f"words{EXPERIMENTS - 1}": (None, {"PLANNED": 2, "SUBMITTING": 1})
    }
    with Ledger(ledger_path) as ledger:
        assert [bytes(each.event) for each in ledger.envelopes(0)] == [row.body for row in rows]
        state = Shelf(ledger).opened(EMPTY)
    assert (len(state.shelved), len(state.experiments)) == (EXPERIMENTS - 1, 1)
