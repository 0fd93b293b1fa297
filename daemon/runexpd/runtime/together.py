"""Questions that don't wait for each other."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio


async def together(*asked: Callable[[], Awaitable[Any]]) -> list[Any]:
    """What each gives, in order. Raises what the first that fails raises, itself, and lets the others go."""
    answers: list[Any] = [None] * len(asked)
    problems: list[Exception] = []

    async def one(place: int, ask: Callable[[], Awaitable[Any]]) -> None:
        try:
            answers[place] = await ask()
        except Exception as problem:
            problems.append(problem)
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for place, ask in enumerate(asked):
            tasks.start_soon(one, place, ask)
    if problems:
        raise problems[0]
    return answers
