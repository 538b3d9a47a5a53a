"""Replicas with a real ffmpeg, that share sessions and a bucket."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.live.broadcasts.broadcast import Means, PublisherSink
from services.live.broadcasts.broadcasts import Broadcasts
from services.live.flv.sink import Tap
from services.live.flv.tags import Tag
from services.live.packaging.child import Child, Program
from services.live.packaging.limits import MediaLimits
from services.live.ports import Publisher, Session
from services.live.recording.spool import Spool
from shared.blobs.store import BlobStore
from shared.contracts import LivePublished
from shared.programs.confinement import Limits
from shared.programs.finding import find_ffmpeg
from tests.integration.live.memory_sessions import MemorySessions
from tests.support.memory_blobs import MemoryBlobs

LIMITS = Limits(seconds=0, cpu_seconds=3600, memory_bytes=1 << 30, file_bytes=1 << 20, nice=0)
PUBLISHER = Publisher(protocol="rtmp", address="192.0.2.1")


class Stage:
    """Replicas that share sessions and bucket. ``store``: in place of one in memory."""

    def __init__(self, tmp_path: Path, store: BlobStore | None = None) -> None:
        self.folder = tmp_path
        self.sessions = MemorySessions()
        self.replicas: list[Broadcasts] = []
        self.blobs = MemoryBlobs()
        self.store: BlobStore = self.blobs if store is None else store

    def replica(
        self,
        name: str = "one",
        limits: MediaLimits | None = None,
        tap: Callable[[Session], Tap] | None = None,
        clock: Callable[[], float] = time.monotonic,
        spool: Spool | None = None,
    ) -> Broadcasts:
        means = Means(
            sessions=self.sessions,
            blobs=self.store,
            program=Program(find_ffmpeg(None), self.folder, LIMITS),
            scratch=self.folder / name,
            heights=(90,),
            limits=limits or MediaLimits(),
            tap=tap,
            clock=clock,
            spool=spool or Spool(),
        )
        self.replicas.append(Broadcasts(means, most=2))
        return self.replicas[-1]

    def batches(self) -> list[LivePublished]:
        return [event for event in self.sessions.events if isinstance(event, LivePublished)]

    def found(self, kind: type) -> list[Any]:
        return [event for event in self.sessions.events if isinstance(event, kind)]

    def dump(self) -> Path:
        """The session's objects as files."""
        root = self.folder / "dump"
        for key in self.blobs.keys():  # noqa: SIM118 - no dictionary
            path = root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.blobs._objects[key][0])
        return root / self.sessions.video_id / "live"


class Flush:
    """Holds up what the first ffmpeg that ends still writes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        finish = Child.finish

        async def slowly(child: Child) -> None:
            if not self.begun.is_set():
                self.begun.set()
                await self.go_on.wait()
            await finish(child)

        monkeypatch.setattr(Child, "finish", slowly)


async def send(sink: PublisherSink, tags: list[Tag], *, shift: int = 0) -> None:
    for tag in tags:
        await sink.take(Tag(tag.kind, tag.milliseconds + shift, tag.body))


async def recorded(replica: Broadcasts) -> None:
    """One round of recording, to its end."""
    await replica.record()
    for task in list(replica._recording.values()):
        await task
