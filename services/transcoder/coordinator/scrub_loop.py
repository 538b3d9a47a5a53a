"""The leading coordinator's scrub: slowly, one video after the other, again and again.

It keeps its place in the database, so that a restart continues where the last process stopped.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from itertools import groupby
from typing import Final

import msgspec

from services.transcoder.coordinator.media_checks import Check
from services.transcoder.coordinator.metrics import CoordinatorMetrics
from services.transcoder.coordinator.scrub_reading import Pace, Verdict
from services.transcoder.coordinator.scrub_repository import (
    BegunScrub,
    ScrubRepository,
    Suspect,
)
from services.transcoder.coordinator.scrubbing import (
    READS,
    UNREADABLE_AGAIN,
    WRONG,
    Scrubbable,
    Scrubber,
)
from shared.blobs.store import BlobStoreUnavailable
from shared.loops.items import Items
from shared.telemetry import get_logger

_log = get_logger(__name__)

# The loop's name, and the seconds between two rounds.
SCRUB: Final = "scrub objects"
SCRUB_SECONDS: Final = 5.0

_AGAIN: Final = timedelta(seconds=20)
# A round stops at this time, in the midst of a large object too.
_ROUND_SECONDS: Final = 30.0
_SUSPECTS: Final = 100
# How often the place is noted: small objects are read by the hundred in a second.
_NOTE_SECONDS: Final = 2.0


class ScrubPlan(msgspec.Struct, frozen=True):
    """``bytes_per_second``: 0 switches the scrub off. ``pause``: between two scrubs of a video.

    ``again``: between two readings of an object that is suspected. ``look``: between two searches
    for a video to scrub while there is none, because a search costs more with each video.
    """

    bytes_per_second: float
    pause: timedelta
    again: timedelta = _AGAIN
    look: timedelta = timedelta()


class _Begun(msgspec.Struct):
    """A reading of an object of several checks: what is known of the first ones."""

    version: int
    verdicts: list[Verdict] = []


class ScrubLoop:
    """Call ``round`` regularly. ``advanced`` is called after each block that is read."""

    def __init__(
        self,
        scrubber: Scrubber,
        repository: ScrubRepository,
        plan: ScrubPlan,
        metrics: CoordinatorMetrics,
        *,
        advanced: Callable[[], None] = lambda: None,
    ) -> None:
        self._scrubber = scrubber
        self._repository = repository
        self._plan = plan
        self._metrics = metrics.scrub
        self._videos = Items("scrub videos", metrics.items)
        self._suspects = Items("read suspected objects", metrics.items)
        self._reading = Pace(plan.bytes_per_second, advanced)
        # A check that found no fault. Where it does, the storage is at fault and no single object.
        self._control: Check | None = None
        self._look_at = float("-inf")
        # Readings that go on in a later round. A restart begins them anew.
        self._begun: dict[tuple[str, str], _Begun] = {}

    async def round(self) -> None:
        """Read suspected objects again, then go on with the videos for some time."""
        if not self._plan.bytes_per_second:
            return
        until = time.monotonic() + _ROUND_SECONDS
        # A large object that is suspected leaves the other half to the videos.
        half = time.monotonic() + _ROUND_SECONDS / 2
        suspects = await self._repository.due_suspects(_SUSPECTS)
        by_video = [
            list(group)
            for _, group in groupby(
                sorted(suspects, key=lambda each: each.video_id), key=lambda each: each.video_id
            )
        ]
        await self._suspects.each(
            by_video, lambda each: each[0].video_id, lambda each: self._look_again(each, half)
        )
        if time.monotonic() >= self._look_at:
            await self._scrub_videos(until)
        self._metrics.irreparable.set(await self._repository.count_irreparable())

    async def _scrub_videos(self, until: float) -> None:
        done = set[str]()
        while time.monotonic() < until:
            found = await self._repository.next_video(self._plan.pause, self._videos.waiting)
            if found is None or found.video_id in done:
                await self._repository.forget_deleted()
                self._look_at = time.monotonic() + self._plan.look.total_seconds()
                break
            done.add(found.video_id)
            await self._videos.one(
                found, lambda each: each.video_id, lambda each: self._scrub(each, until)
            )

    async def _scrub(self, begun: BegunScrub, until: float) -> None:
        video_id = begun.video_id
        found = await self._scrubber.checks(video_id)
        if found is None:
            await self._repository.finished(video_id, 0)
            return
        # Another version has other objects: begin again.
        last = begun.place if begun.version == found.version else None
        suspected = set[str]()
        noted = time.monotonic()
        for check in found.checks:
            if last is not None and check.place <= last:
                continue
            # All checks of an object in one pass are one reading of it.
            if check.key not in suspected:
                verdict = await self._check(video_id, check, until)
                if verdict == "unfinished":
                    if last is not None:
                        await self._repository.reached(video_id, found.version, last)
                    return
                if verdict in WRONG:
                    suspected.add(check.key)
            last = check.place
            late = time.monotonic() >= until
            if late or time.monotonic() - noted >= _NOTE_SECONDS:
                await self._repository.reached(video_id, found.version, last)
                noted = time.monotonic()
            if late:
                return
        for key in await self._repository.irreparable_of(video_id):
            verdicts = set(await self._verdicts(video_id, found, key, until))
            if "unfinished" in verdicts:
                return
            if not WRONG & verdicts:
                await self._repository.cleared(video_id, key)
        await self._repository.finished(video_id, found.version)

    async def _check(self, video_id: str, check: Check, until: float) -> Verdict:
        """Read a check's bytes until it is time to stop; an object that is wrong is suspected."""
        unfinished = self._repository.unfinished(video_id, until)
        verdict = await self._scrubber.read(check, self._reading, unfinished)
        if verdict == "sound":
            self._control = check
        elif verdict == "unreadable":
            await self._storage_answers()
            await self._repository.suspect(video_id, check.key, UNREADABLE_AGAIN)
        elif verdict in WRONG:
            await self._repository.suspect(video_id, check.key, self._plan.again)
        return verdict

    async def _verdicts(
        self, video_id: str, found: Scrubbable, key: str, until: float
    ) -> list[Verdict]:
        """One reading of all checks of an object, which may go on in a later round.

        Each call reads something, however late it is.
        """
        checks = [check for check in found.checks if check.key == key]
        begun = self._begun.pop((video_id, key), None)
        if begun is None or begun.version != found.version:
            begun = _Begun(found.version)
        unfinished = self._repository.unfinished(video_id, until)
        for check in checks[len(begun.verdicts) :]:
            verdict = await self._scrubber.read(check, self._reading, unfinished)
            if verdict != "unfinished":
                begun.verdicts.append(verdict)
            is_last = len(begun.verdicts) == len(checks)
            if verdict == "unfinished" or (time.monotonic() >= until and not is_last):
                self._begun[video_id, key] = begun
                return ["unfinished"]
        return begun.verdicts

    async def _look_again(self, suspects: list[Suspect], until: float) -> None:
        """Read the suspected objects of one video; act on those that all readings found wrong."""
        video_id = suspects[0].video_id
        found = await self._scrubber.checks(video_id)
        believed: list[str] = []
        for suspect in suspects:
            if found is None or found.state.phase in ("pending", "running"):
                await self._repository.postponed(video_id, suspect.key, self._plan.again)
            elif await self._is_wrong(found, suspect, until):
                believed.append(suspect.key)
        if found is not None and believed:
            await self._scrubber.settle(video_id, believed, found.version)

    async def _is_wrong(self, found: Scrubbable, suspect: Suspect, until: float) -> bool:
        """Whether this was the last of the readings that must find it wrong."""
        verdicts = set(await self._verdicts(suspect.video_id, found, suspect.key, until))
        if "unfinished" in verdicts:
            return False
        wrong = WRONG & verdicts
        if not wrong:
            await self._repository.cleared(suspect.video_id, suspect.key)
            return False
        again = self._plan.again
        if "unreadable" in wrong:
            again = UNREADABLE_AGAIN
            if not await self._storage_answers():
                await self._repository.postponed(suspect.video_id, suspect.key, again)
                return False
        reads = await self._repository.suspect(suspect.video_id, suspect.key, again)
        return reads >= READS

    async def _storage_answers(self) -> bool:
        """Whether another object can be read now; False where none is known.

        Raises BlobStoreUnavailable where it could be read before, and cannot now.
        """
        control, self._control = self._control, None
        if control is None:
            return False
        if await self._scrubber.read(control, self._reading) != "sound":
            raise BlobStoreUnavailable("The storage sends the bytes of no object.")
        self._control = control
        return True
