"""Many things, some of them at the same time."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Iterable
from typing import Any, Final, TypeVar

T = TypeVar("T")

AT_ONCE: Final = 8
"""Objects that are copied at the same time; each takes some 20 MB."""


async def slices(things: AsyncIterable[T], size: int = 512) -> AsyncIterator[list[T]]:
    """Lists of so many of them, and the rest."""
    kept: list[T] = []
    async for thing in things:
        kept.append(thing)
        if len(kept) == size:
            yield kept
            kept = []
    if kept:
        yield kept


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Every result. The first error ends the others, and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in work]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return [task.result() for task in tasks]
