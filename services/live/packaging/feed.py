"""The sink of a publisher: brings its tags to ffmpeg, and ffmpeg back to life."""

import asyncio
import time
from collections import deque
from typing import Any, Final

import msgspec

from services.live.flv import amf0
from services.live.flv.settings import avc_settings, is_plain_aac
from services.live.flv.sink import Stopped
from services.live.flv.tags import AUDIO, SCRIPT, VIDEO, Content, Tag, content
from services.live.packaging.child import Child, Output, Program
from services.live.packaging.cuts import Cuts
from services.live.packaging.group import LastGroup
from services.live.packaging.layout import LONGEST_GOP, OWN_GOP, Layout, Picture, Sound, plan
from services.live.packaging.limits import MediaLimits, Meter
from services.live.packaging.measures import Measures
from services.live.packaging.shortage import Shortage
from services.live.packaging.timeline import Timeline
from shared.programs.piped import ProgramEnded
from shared.telemetry import get_logger

_log = get_logger(__name__)

# Rounding of the publisher's clock.
_GOP_TOLERANCE: Final = 0.2
# How long a picture waits for sound that has not begun, in milliseconds.
_SOUND_MS: Final = 1000
# How long sound may come without a picture, and pictures without a key.
_NO_KEY_MS: Final = 20_000
_MAX_RESTARTS: Final = 5
_RESTART_SECONDS: Final = 60.0


class Feed:
    """Takes tags until it is closed. ``first_segment``: the number of its first segment."""

    def __init__(
        self,
        program: Program,
        output: Output,
        heights: tuple[int, ...],
        first_segment: int,
        limits: MediaLimits | None = None,
    ) -> None:
        self._program = program
        self._output = output
        self._heights = heights
        self._first_segment = first_segment
        self._meter = Meter(limits or MediaLimits())
        self._timeline = Timeline()
        self._group = LastGroup()
        self._headers: dict[int, Tag] = {}
        self._contents: dict[int, Content] = {}
        self._metadata: dict[str, Any] = {}
        self._child: Child | None = None
        self._cuts: Cuts | None = None
        self._layout: Layout | None = None
        self._wanted = False
        self._long_gop = False
        self._shortage = Shortage()
        self._group_deaths = 0
        self._restarts: deque[float] = deque(maxlen=_MAX_RESTARTS)
        self._key_at: int | None = None
        self._first_key_at: int | None = None
        self._first_at: int | None = None
        self._lock = asyncio.Lock()
        self._closed = False
        self.measures = Measures()

    @property
    def next_segment(self) -> int:
        """The number after the last segment that was begun."""
        return self._cuts.following if self._cuts is not None else self._first_segment

    @property
    def cpu_seconds(self) -> float:
        """Processor time of the running ffmpeg."""
        return self._child.cpu_seconds if self._child is not None else 0.0

    async def take(self, tag: Tag) -> None:
        """Raises NotPlayable, Stopped; OverLimit where it is more than a live may have."""
        async with self._lock:
            if self._closed:
                raise Stopped("another connection has taken over")
            self._meter.arrived(len(tag.body), time.monotonic())
            if tag.kind == SCRIPT:
                self._metadata = metadata(tag.body) or self._metadata
                return
            inside = content(tag)
            if inside is None:
                return
            if inside.header:
                self._header(tag, inside)
            elif inside.frames:
                await self._frame(tag, inside)

    async def close(self) -> None:
        """Pass on everything that was taken, and end ffmpeg."""
        async with self._lock:
            self._closed = True
            child, self._child = self._child, None
            if child is not None:
                await child.finish()

    def _header(self, tag: Tag, inside: Content) -> None:
        """Settings of a decoder. Publishers repeat them; others need another ffmpeg."""
        known = self._headers.get(tag.kind)
        if known is not None and known.body == tag.body:
            return
        self._headers[tag.kind] = tag
        self._contents[tag.kind] = inside
        self._wanted = True

    async def _frame(self, tag: Tag, inside: Content) -> None:
        now = time.monotonic()
        placed = self._timeline.place(tag.kind, tag.milliseconds, now * 1000)
        if placed is None:
            self.measures.dropped = self._timeline.dropped
            return
        at, jumped = placed
        if tag.kind == VIDEO:
            self._meter.pictured(at)
        self.measures.arrived(tag, inside, at)
        self._contents.setdefault(tag.kind, inside)
        self._wanted = self._wanted or jumped
        if self._first_at is None:
            self._first_at = at
        placed_tag = Tag(tag.kind, at, tag.body)
        key = tag.kind == VIDEO and inside.key
        if key:
            self._key_at = at
            self._first_key_at = self._first_key_at or at
            self._group_deaths = 0
        elif at - (self._key_at or self._first_at) > _NO_KEY_MS:
            raise Stopped("no key picture arrives; set the key-frame interval to 2 s")
        if self._child is not None and key and self._wanted:
            await self._restart(placed_tag)
            return
        # While it waits for sound, all pictures are kept.
        begins = key and (self._child is not None or not self._group.tags)
        self._group.add(placed_tag, key=begins)
        if self._child is None:
            if self._ready(at):
                await self._start()
            return
        await self._write(placed_tag, inside)

    def _ready(self, at: int) -> bool:
        """Whether there is a key picture, and sound has begun or is not awaited any more."""
        if not self._group.tags or VIDEO not in self._contents:
            return False
        codec = self._contents[VIDEO].codec
        if codec == "h264" and VIDEO not in self._headers:
            return False
        waited = at - (self._first_key_at or at)
        return AUDIO in self._contents or waited > _SOUND_MS

    async def _restart(self, key: Tag) -> None:
        """Another ffmpeg from this key picture on, because what is sent has changed."""
        child, self._child = self._child, None
        if child is not None:
            await child.finish()
        self._group.add(key, key=True)
        await self._start()

    async def _start(self) -> None:
        """Start ffmpeg with the last group of pictures."""
        self._wanted = False
        self._meter.picture(self._picture())
        self._layout = self._plan()
        self._cuts = Cuts(self.next_segment, OWN_GOP if self._layout.keys == "own" else None)
        child = Child(self._program, self._layout, self._cuts, self._output, self._clock)
        self._child = child
        self.measures.began(self._picture(), self._layout)
        try:
            await child.start()
            for header in self._headers.values():
                at = self._group.tags[0].milliseconds
                await child.write(msgspec.structs.replace(header, milliseconds=at))
            for tag in list(self._group.tags):
                inside = content(tag)
                if inside is not None:
                    self._note_cut(tag, inside)
                await child.write(tag)
        except ProgramEnded:
            await self._died()

    def _clock(self) -> float:
        return self.measures.day_offset

    async def _write(self, tag: Tag, inside: Content) -> None:
        child = self._child
        if child is None:
            return
        self._note_cut(tag, inside)
        begun = time.monotonic()
        try:
            await child.write(tag)
        except ProgramEnded:
            await self._died()
            return
        self.measures.written(tag.milliseconds / 1000, child.ends, time.monotonic() - begun)
        if self._gop_is_long(tag):
            _log.info("key pictures are far apart", seconds=LONGEST_GOP)
            self._long_gop = True
            await self._again()
        elif not self._wanted:
            self._wanted = self._other_rungs()

    def _note_cut(self, tag: Tag, inside: Content) -> None:
        if tag.kind == VIDEO and inside.frames and self._cuts is not None:
            self._cuts.picture((tag.milliseconds + inside.shown_after) / 1000, key=inside.key)

    def _gop_is_long(self, tag: Tag) -> bool:
        latest = self._cuts.latest if self._cuts is not None else None
        if self._long_gop or latest is None or tag.kind != VIDEO:
            return False
        return tag.milliseconds / 1000 - latest > LONGEST_GOP + _GOP_TOLERANCE

    async def _again(self) -> None:
        """Another ffmpeg with the last group of pictures, or at the next one."""
        child, self._child = self._child, None
        if child is not None:
            await child.stop()
        if self._group.tags:
            await self._start()

    async def _died(self) -> None:
        """ffmpeg has ended by itself."""
        child, self._child = self._child, None
        said = child.said if child is not None else ""
        if child is not None:
            await child.stop()
        now = time.monotonic()
        _log.warning("ffmpeg ended", said=said[-500:])
        full = len(self._restarts) == _MAX_RESTARTS
        if full and now - self._restarts[0] < _RESTART_SECONDS:
            raise Stopped("the pictures cannot be processed")
        self._restarts.append(now)
        self._group_deaths += 1
        if self._group_deaths > 1:
            # These pictures may be what it cannot bear.
            self._group.forget()
        if self._group.tags:
            await self._start()

    def _other_rungs(self) -> bool:
        """Whether a rendition is to go, because encoding is too slow, or comes back."""
        layout, before = self._layout, self._shortage.left_out
        if layout is None or not self._shortage.judge(
            time.monotonic(),
            too_slow=self.measures.too_slow,
            relaxed=self.measures.relaxed,
            more=layout.without_costliest() is not None,
        ):
            return False
        if self._shortage.left_out > before:
            _log.warning("a rendition is dropped: encoding is too slow")
        else:
            _log.info("a rendition comes back: encoding is fast enough")
        return True

    @property
    def dropped_rungs(self) -> int:
        """Renditions that were given up because encoding was too slow."""
        return self._shortage.left_out

    def _plan(self) -> Layout:
        picture = self._picture()
        layout = plan(picture, self._sound(), heights=self._heights, long_gop=self._long_gop)
        for _ in range(self._shortage.left_out):
            layout = layout.without_costliest() or layout
        return layout

    def _picture(self) -> Picture:
        codec = self._contents[VIDEO].codec
        stated = {
            name: value
            for name in ("width", "height", "framerate")
            if isinstance(value := self._metadata.get(name), float) and 0 < value < 16384
        }
        width, height = int(stated.get("width", 0)), int(stated.get("height", 0))
        rate = stated.get("framerate", 0.0)
        header = self._headers.get(VIDEO)
        settings = avc_settings(header.body) if header is not None and codec == "h264" else None
        if settings is None:
            return Picture(codec, width, height, rate, stated_rate=rate)
        return Picture(
            codec,
            settings.width,
            settings.height,
            rate or settings.frame_rate,
            settings.plain,
            stated_rate=rate,
        )

    def _sound(self) -> Sound | None:
        inside = self._contents.get(AUDIO)
        if inside is None:
            return None
        header = self._headers.get(AUDIO)
        # The settings stand behind the tag's first two bytes.
        plain = header is not None and header.body[0] >> 4 == 10 and is_plain_aac(header.body[2:])
        return Sound(inside.codec, copied=inside.codec == "aac" and plain)


def metadata(body: bytes) -> dict[str, Any] | None:
    """The values of an onMetaData tag."""
    try:
        values = amf0.read(body)
    except amf0.MalformedAmf:
        return None
    return next((value for value in values if isinstance(value, dict)), None)
