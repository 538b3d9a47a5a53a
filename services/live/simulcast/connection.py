"""What a sender needs of a target, however it is reached."""

from collections.abc import Sequence
from typing import Protocol

from services.live.flv.tags import Tag


class TargetFailed(Exception):
    """A target does not take the stream; the text is a sentence for people."""


class Connection(Protocol):
    """A target that takes tags."""

    async def send(self, tag: Tag) -> None:
        """Waits while the target is slow. Raises TargetFailed, OSError."""
        ...

    async def watch(self) -> None:
        """Runs beside ``send``. Raises TargetFailed, OSError, EOFError once the stream ends."""
        ...

    async def close(self) -> None:
        """Say good-bye where that takes no time."""
        ...


class Transport(Protocol):
    """How a target is reached. ``secrets``: what words that are shown must not repeat."""

    @property
    def secrets(self) -> Sequence[str]: ...

    async def connect(self) -> Connection:
        """Raises TargetFailed, OSError, EOFError, TimeoutError."""
        ...
