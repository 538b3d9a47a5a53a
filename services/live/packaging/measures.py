"""What is measured of a publisher and of its ffmpeg."""

import time
from collections import deque
from typing import Final

from services.live.flv.tags import VIDEO, Content, Tag
from services.live.packaging.layout import Layout, Picture
from services.live.ports import Health

# Over how many seconds rates are measured.
_WINDOW: Final = 5.0
# Encoding is too slow when pictures are processed so late, while the publisher waits for ffmpeg
# for most of the time.
_LATE_SECONDS: Final = 3.0
_WAITING_SHARE: Final = 0.5
# Encoding has time to spare below these.
_RELAXED_SECONDS: Final = 1.0
_RELAXED_SHARE: Final = 0.1


class Measures:
    """Times of tags in milliseconds of the timeline; what is asked for, in seconds."""

    def __init__(self) -> None:
        self._arrivals: deque[tuple[float, int, bool]] = deque()
        self._bytes = 0
        self._pictures = 0
        self._waits: deque[tuple[float, float]] = deque()
        self._waited = 0.0
        self._last_key: float | None = None
        self._picture: Picture | None = None
        self._layout: Layout | None = None
        self._late = 0.0
        self.day_offset = float("inf")
        self.key_seconds: float | None = None
        self.longest_gop = 0.0
        self.behind = 0.0
        self.dropped = 0
        self.last_arrival = time.monotonic()

    def began(self, picture: Picture, layout: Layout) -> None:
        """Another ffmpeg has been started."""
        self._picture, self._layout = picture, layout
        self._waits.clear()
        self._waited = 0.0

    def arrived(self, tag: Tag, inside: Content, at: int) -> None:
        """A tag was taken, and placed at so many milliseconds."""
        now = self.last_arrival = time.monotonic()
        # The time of day at the timeline's zero: a tag may be late, but none is early.
        self.day_offset = min(self.day_offset, time.time() - at / 1000)
        self._late = time.time() - at / 1000 - self.day_offset
        picture = tag.kind == VIDEO
        self._arrivals.append((now, len(tag.body), picture))
        self._bytes += len(tag.body)
        self._pictures += picture
        while self._arrivals[0][0] < now - _WINDOW:
            _, size, was_picture = self._arrivals.popleft()
            self._bytes -= size
            self._pictures -= was_picture
        if picture and inside.key:
            if self._last_key is not None:
                self.key_seconds = at / 1000 - self._last_key
                self.longest_gop = max(self.longest_gop, min(self.key_seconds, 4.2))
            self._last_key = at / 1000

    def written(self, fed: float, ends: dict[str, float], waited: float) -> None:
        """A tag went to ffmpeg, which made the sender wait."""
        now = time.monotonic()
        self.behind = max((fed - end for end in ends.values()), default=0.0)
        self._waits.append((now, waited))
        self._waited += waited
        while self._waits[0][0] < now - _WINDOW:
            self._waited -= self._waits.popleft()[1]

    @property
    def too_slow(self) -> bool:
        """Whether ffmpeg cannot keep up with the publisher."""
        waiting = self._waited > _WAITING_SHARE * _WINDOW
        return waiting and self._late > _LATE_SECONDS

    @property
    def relaxed(self) -> bool:
        """Whether ffmpeg waits for the publisher, nearly all of the time."""
        waiting = self._waited > _RELAXED_SHARE * _WINDOW
        return not waiting and self._late < _RELAXED_SECONDS

    @property
    def frame_rate(self) -> float:
        """As stated, or else as it arrives."""
        if self._picture is not None and self._picture.frame_rate:
            return self._picture.frame_rate
        return self._measured()[1]

    def _measured(self) -> tuple[int, float]:
        if len(self._arrivals) < 2:
            return 0, 0.0
        seconds = max(self._arrivals[-1][0] - self._arrivals[0][0], 0.5)
        return round(8 * self._bytes / seconds), self._pictures / seconds

    def health(self) -> Health:
        """For the streamer's page."""
        bit_rate, frame_rate = self._measured()
        picture, layout = self._picture, self._layout
        return Health(
            width=picture.width or None if picture else None,
            height=picture.height or None if picture else None,
            frame_rate=round(frame_rate, 2),
            bit_rate=bit_rate,
            key_frame_seconds=round(self.key_seconds, 2) if self.key_seconds else None,
            video_codec=picture.codec if picture else None,
            audio_codec=layout.sound.codec if layout and layout.sound else None,
            dropped=self.dropped,
            behind_ms=max(0, round(self.behind * 1000)),
        )
