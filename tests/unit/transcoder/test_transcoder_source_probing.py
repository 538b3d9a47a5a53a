"""However many tracks of a file cannot be opened, few are hidden."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from services.transcoder.encoding.ffmpeg import Input
from services.transcoder.planning.hidden import Hidden
from services.transcoder.planning.media_errors import MediaRejected, rejected
from services.transcoder.planning.probe_report import ProbedSource
from services.transcoder.worker import source_probing
from services.transcoder.worker.source_probing import MOST_HIDDEN, probe_tables, probe_whole


class World:
    """A worker whose source has no end of broken tracks; ``looks`` counts its probes."""

    def __init__(self) -> None:
        self.looks = 0
        self.tools = SimpleNamespace(ffprobe="ffprobe", ffmpeg="ffmpeg")
        self.sources = self
        self.task = SimpleNamespace(source_key="source")
        self.folder = Path()

    async def open_whole(self, key: str) -> Input:
        return Input(key, remote=True)

    async def without(self, key: str, source: Input, number: int) -> Input:
        hidden = Hidden(number, number, b"x", "audio", "vorbis")
        return msgspec.structs.replace(source, hidden=(*source.hidden, hidden))

    async def open_outline(self, shown: Any, folder: Path) -> Input:
        return Input("outline", remote=False)

    def without_settings(self, number: int) -> "World":
        return self

    async def probe(self, *_: object, **__: object) -> ProbedSource:
        self.looks += 1
        raise rejected("media.unreadable")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Any:
    world = World()

    async def unopened(ffprobe: str, source: Input, folder: Path) -> int:
        return world.looks

    monkeypatch.setattr(source_probing, "unopened", unopened)
    monkeypatch.setattr(source_probing, "probe_indexed", world.probe)
    return world


async def test_of_a_whole_file(world: Any) -> None:
    with pytest.raises(MediaRejected):
        await probe_whole(world, world, world.probe)
    assert world.looks == MOST_HIDDEN + 1


async def test_of_a_file_with_an_index(world: Any) -> None:
    with pytest.raises(MediaRejected):
        await probe_tables(world, world, world)
    assert world.looks == MOST_HIDDEN + 1
