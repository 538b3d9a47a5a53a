"""What ends a process at a write: the log, the messages and the work of the transcoder's model."""

from typing import Any

import msgspec

from services.transcoder.scheduler.dispatcher import PickedTask
from services.transcoder.scheduler.leases import ClaimedTask
from services.transcoder.scheduler.tasks import QueueName
from shared.event_store.memory import MemoryEventStore


class Crash(BaseException):
    """The process ends here; no handler of errors sees it."""


class Fuse:
    """Ends the process at the write that it is set for, before that changes anything."""

    def __init__(self) -> None:
        self.left: int | None = None

    def burn(self) -> None:
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            raise Crash


class Log(MemoryEventStore):
    """The log, where a process may end before an append."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse

    async def append(self, *arguments: Any, **named: Any) -> int:
        self._fuse.burn()
        return await super().append(*arguments, **named)


class Work(msgspec.Struct):
    """A task that a worker holds. ``fresh``: its lease was renewed a moment ago.

    ``told``: its result is in the log.
    """

    task: ClaimedTask
    worker: str
    fresh: bool = True
    told: bool = False


class Messages:
    """The broker's queues. ``refuses`` is set while it takes no message."""

    def __init__(self, fuse: Fuse) -> None:
        self.held: list[PickedTask] = []
        self.refuses = False
        self._fuse = fuse

    async def send(self, queue: QueueName, task: PickedTask) -> None:
        self._fuse.burn()
        if self.refuses:
            raise ConnectionError("the broker is away")
        self.held.append(task)
