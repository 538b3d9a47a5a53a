"""A composed process that runs inside a test: its work, without its servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.host.host import Process
from shared.loops.cancellation import end


@asynccontextmanager
async def working(process: Process) -> AsyncIterator[None]:
    """The process's work runs while this is entered."""
    work = [asyncio.create_task(begin(), name=name) for name, begin in process.work.items()]
    try:
        yield
    finally:
        await end(work)
