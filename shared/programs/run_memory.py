"""Ends a run where all runs of this worker together use more memory than the container has.

Limits of the kernel hold for one process each. Past the container's limit, the kernel would kill a
process of its choice, often the worker.
"""

import asyncio
import os
from pathlib import Path
from typing import Final

_LOOK_SECONDS: Final = 0.2
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")

# Bytes in memory of each running program of this process, by its id.
_used: Final[dict[int, int]] = {}


class MemoryUsedUp(Exception):
    """All runs together use too much memory, and this one uses most."""


async def watch_memory(pid: int, shared_bytes: int | None) -> None:
    """Watch a run until cancelled. Raises MemoryUsedUp where this run is the one to end."""
    try:
        while True:
            _used[pid] = _resident(pid)
            if (
                shared_bytes is not None
                and sum(_used.values()) > shared_bytes
                and _used[pid] == max(_used.values())
            ):
                raise MemoryUsedUp(f"{_used[pid] >> 20} MiB of memory, more than there is")
            await asyncio.sleep(_LOOK_SECONDS)
    finally:
        _used.pop(pid, None)


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        # It has just ended.
        return 0
