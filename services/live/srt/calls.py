"""Calls into libsrt that are under way, and the end of them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SrtError(Exception):
    """libsrt refused a call; the message is its own."""


class Ended(SrtError):
    """No more calls are made."""


class Calls:
    """Counts calls from any thread until ``end``."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running = 0
        self._ended = False

    @contextmanager
    def one(self) -> Iterator[None]:
        """A call. Raises Ended."""
        with self._changed:
            if self._ended:
                raise Ended("libsrt is not used any more")
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def end(self, seconds: float) -> bool:
        """Let no more begin; whether all have returned within so many seconds."""
        with self._changed:
            self._ended = True
            return self._changed.wait_for(lambda: self._running == 0, seconds)
