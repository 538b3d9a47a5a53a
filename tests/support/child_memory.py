"""Measures the memory of the programs that a test runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from unittest.mock import patch

_KIBIBYTE: Final = 1 << 10


class ChildMemory:
    """``peak_bytes``: the most that any program had in memory.

    The kernel counts what this process had when it started the program too.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0


@contextmanager
def child_memory() -> Iterator[ChildMemory]:
    """Measure the programs that end while entered. asyncio waits for them with ``os.waitpid``."""
    found = ChildMemory()

    def wait(pid: int, options: int) -> tuple[int, int]:
        ended, status, used = os.wait4(pid, options)
        if ended:
            found.peak_bytes = max(found.peak_bytes, used.ru_maxrss * _KIBIBYTE)
        return ended, status

    with patch("os.waitpid", wait):
        yield found
