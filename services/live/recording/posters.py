"""A session's posters: of its first key picture, and of the latest one from time to time."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from services.live.packaging.fragments import Init
from services.live.recording.poster import make_poster
from services.live.window.segments import Segment
from shared.blobs.store import BlobStore
from shared.contracts import Event, LivePosterMade
from shared.programs.process import RunFailed
from shared.telemetry import get_logger

_log = get_logger(__name__)

# One small decode each time, and an event.
REFRESH_SECONDS: Final = 60.0
# Pages that were loaded before show the poster of then.
KEPT_SECONDS: Final = 600.0


class Posters:
    """Of one session at its present owner. A poster's address names its contents, so that it may
    be cached for good; one that was replaced is deleted after a while."""

    def __init__(
        self,
        ffmpeg: str,
        folder: Path,
        blobs: BlobStore,
        video_id: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ffmpeg = ffmpeg
        self._folder = folder
        self._blobs = blobs
        self._video_id = video_id
        self._clock = clock
        self._pictures: bytes | None = None
        self._due = float("-inf")
        self._latest: str | None = None
        self._replaced: deque[tuple[float, str]] = deque()

    def adopt(self, events: Iterable[Event]) -> None:
        """Go on where an earlier owner stopped, whose replaced posters may still be there."""
        keys = [event.poster_key for event in events if isinstance(event, LivePosterMade)]
        if not keys:
            return
        now = self._clock()
        self._due = now + REFRESH_SECONDS
        latest, *replaced = dict.fromkeys(reversed(keys))
        self._latest = latest
        self._replaced.extend((now, key) for key in replaced)

    def offer(self, segment: Segment, init: Init) -> None:
        """A whole segment, which begins with a key picture."""
        if segment.parts and self._clock() >= self._due:
            self._due = self._clock() + REFRESH_SECONDS
            self._pictures = init.data + segment.parts[0].data

    async def step(self) -> LivePosterMade | None:
        """The next poster, if there is one, and delete what is old. Raises BlobStoreUnavailable."""
        await self._delete(self._clock() - KEPT_SECONDS)
        pictures, self._pictures = self._pictures, None
        if pictures is None:
            return None
        try:
            made = await make_poster(
                self._ffmpeg, self._folder, self._blobs, self._video_id, pictures
            )
        except RunFailed as error:
            _log.warning("no poster", video=self._video_id, reason=error.detail[-300:])
            return None
        if made.poster_key == self._latest:
            return None
        return made

    def shown(self, made: LivePosterMade) -> None:
        """Its event is in the log: the one before is replaced."""
        if self._latest is not None:
            self._replaced.append((self._clock(), self._latest))
        self._latest = made.poster_key

    async def _delete(self, before: float) -> None:
        while self._replaced and self._replaced[0][0] <= before:
            # A picture that came back is the latest again.
            if self._replaced[0][1] != self._latest:
                await self._blobs.delete(self._replaced[0][1])
            self._replaced.popleft()
