"""What the present request has appended, so that a read that follows can wait for it."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_written: Final[ContextVar[dict[str, int] | None]] = ContextVar("written", default=None)


@contextmanager
def noting_writes() -> Generator[dict[str, int]]:
    """Yields streams with their versions after each append inside the context, as they happen."""
    written: dict[str, int] = {}
    token = _written.set(written)
    try:
        yield written
    finally:
        _written.reset(token)


def note_write(stream_id: str, version: int) -> None:
    """Events were appended; the stream is at this version now."""
    written = _written.get()
    if written is not None:
        written[stream_id] = version
