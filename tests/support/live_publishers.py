"""What receives lives in tests: a sink that keeps its tags, and a door that knows one key."""

import asyncio

from services.live.flv.sink import Sink
from services.live.flv.tags import AUDIO, VIDEO, Tag, content
from services.live.ports import Credential, OwnStream, Publisher, Refused
from shared.contracts import new_id

KEY = "a-good-key"
OWN = OwnStream("0" * 8 + "-0000-0000-0000-" + "0" * 12, "ann")


class Kept:
    """A sink that keeps its tags."""

    def __init__(self) -> None:
        self.video_id = new_id()
        self.tags: list[Tag] = []
        self.closed: tuple[str, bool] | None = None
        self.ended = asyncio.Event()

    async def take(self, tag: Tag) -> None:
        self.tags.append(tag)

    async def close(self, reason: str, *, clean: bool) -> None:
        self.closed = reason, clean
        self.ended.set()


class Door:
    """Knows one key."""

    def __init__(self) -> None:
        self.sinks: list[Kept] = []
        self.publishers: list[Publisher] = []
        self.asked = 0

    async def admit(self, credential: Credential, publisher: Publisher) -> Sink:
        self.asked += 1
        if credential not in (KEY, OWN):
            raise Refused("unknown_key", "no stream has this key")
        self.publishers.append(publisher)
        self.sinks.append(Kept())
        return self.sinks[-1]


def assert_a_stream(tags: list[Tag]) -> None:
    """Headers first, key pictures among the frames; both kinds run on, to the same time."""
    inside = [(tag, content(tag)) for tag in tags if tag.kind in (AUDIO, VIDEO)]
    for kind in (AUDIO, VIDEO):
        track = [(tag, found) for tag, found in inside if tag.kind == kind and found is not None]
        (_, header), *frames = track
        assert header.header
        assert any(found.key for _, found in frames)
        times = [tag.milliseconds for tag, _ in frames]
        assert times == sorted(times)
        assert times[-1] - times[0] > 1000
    ends = {tag.kind: tag.milliseconds for tag, _ in inside}
    assert abs(ends[VIDEO] - ends[AUDIO]) < 700
