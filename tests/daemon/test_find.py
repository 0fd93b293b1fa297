"""What somebody means by what she types."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from runexpd.api import find
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal

HERE, THERE = (
    SimpleNamespace(id=id, name="exp7", cluster=cluster, dir="/scratch/exp7")
    for id, cluster in (("aaaa", "local"), ("bbbb", "gone"))
)


def context() -> Context:
    async def at_hand(id: str) -> Any:
        return next(each for each in (HERE, THERE) if each.id == id)

    state = SimpleNamespace(known=lambda: iter((HERE, THERE)))
    return cast(Context, SimpleNamespace(loop=SimpleNamespace(state=state), clusters={}, at_hand=at_hand))


async def test_a_cluster_that_has_left_the_configuration_still_tells_two_apart() -> None:
    with pytest.raises(Refusal) as refused:
        await find.experiment(context(), "exp7")
    assert "directory" in refused.value.refused.hint
    assert await find.experiment(context(), "gone:/scratch/./exp7") is cast(Any, THERE)
    with pytest.raises(Refusal, match="no known experiment is in gone:/scratch/exp8"):
        await find.experiment(context(), "gone:/scratch/exp8")
