"""Scrubbing: compares the bytes of a video's objects with the log, and has damaged ones made again.

Nothing is deleted. Bytes are believed to be wrong only after independent readings, and only if the
stream of the video is still at the version that they were compared with: an object that was
replaced meanwhile, or whose video was deleted, is left alone.
"""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import msgspec

from services.transcoder.coordinator.caption_objects import caption_checks
from services.transcoder.coordinator.live_checks import live_checks
from services.transcoder.coordinator.media_checks import Check, media_checks, source_check
from services.transcoder.coordinator.metrics import ScrubMetrics
from services.transcoder.coordinator.missing_media import media_lost
from services.transcoder.coordinator.scrub_reading import Pace, Verdict, read_check
from services.transcoder.coordinator.scrub_repository import ScrubRepository
from services.transcoder.coordinator.unfinished_readings import UnfinishedReadings
from services.transcoder.domain.state import Transcode
from services.transcoder.handlers import is_deleted, load_state, record
from shared.blobs.store import BlobStore
from shared.contracts import VideoUploaded, stream_id
from shared.event_store.store import EventStore
from shared.reconciliation import Finding, Scrubbed
from shared.telemetry import get_logger

_log = get_logger(__name__)

# Readings that must agree.
READS: Final = 3
WRONG: Final = frozenset[Verdict](("damaged", "missing", "unreadable"))
# Seconds between the readings of one request of an operator.
_PAUSE_SECONDS: Final = 1.0
# How often a video is looked at whose stream changes meanwhile.
_LOOKS: Final = 3
# An object that cannot be read is left to the loop, which asks again after minutes.
UNREADABLE_AGAIN: Final = timedelta(minutes=15)


class Scrubbable(msgspec.Struct, frozen=True):
    """The checks of a video in the order of places, and what they follow from."""

    state: Transcode
    version: int
    checks: list[Check]


class Scrubber:
    """Reads, judges, and acts on what is damaged."""

    def __init__(
        self,
        repository: ScrubRepository,
        store: EventStore,
        media: BlobStore,
        sources: BlobStore,
        metrics: ScrubMetrics,
    ) -> None:
        self._repository = repository
        self._store = store
        self._media = media
        self._sources = sources
        self._metrics = metrics

    async def checks(self, video_id: str) -> Scrubbable | None:
        """What is to be checked of a video; None where it is deleted."""
        if await is_deleted(self._store, video_id):
            return None
        state, version = await load_state(self._store, video_id)
        # While a video is being made or repaired, its objects come and go.
        checks = media_checks(video_id, state) if state.phase == "completed" else []
        session = await self._store.read_stream(stream_id("livesession", video_id))
        checks += live_checks(recorded.data for recorded in session)
        video = await self._store.read_stream(stream_id("video", video_id))
        checks += caption_checks((recorded.data for recorded in video), state.captions)
        for recorded in await self._store.read_stream(stream_id("upload", video_id)):
            if isinstance(recorded.data, VideoUploaded):
                checks.append(source_check(recorded.data))
        return Scrubbable(state, version, sorted(checks, key=lambda check: check.place))

    async def read(
        self, check: Check, pace: Pace, unfinished: UnfinishedReadings | None = None
    ) -> Verdict:
        """Read a check's bytes once. Raises BlobStoreUnavailable where the storage is away."""
        bucket = self._sources if check.of_source else self._media
        before = pace.read
        verdict = await read_check(bucket, check, pace, unfinished)
        self._metrics.bytes.inc(pace.read - before)
        if verdict != "unfinished":
            self._metrics.checks.labels(verdict).inc()
        if verdict in WRONG:
            _log.warning("object is not as recorded", key=check.place, verdict=verdict)
        return verdict

    async def settle(
        self, video_id: str, keys: Iterable[str], version: int, *, dry_run: bool = False
    ) -> list[Finding]:
        """Have damaged objects made again; those that cannot be are noted and reported.

        ``version``: that of the stream which the objects were compared with.
        """
        now = await self.checks(video_id)
        wrong = {check.key for check in now.checks} & set(keys) if now else set[str]()
        if now is None or now.version != version or not wrong:
            return []
        event = media_lost(video_id, now.state, wrong)
        remade = set(event.keys) if event else set[str]()
        if event is not None and not dry_run:
            outcome = await record(self._store, video_id, event, video_id)
            remade = remade if outcome.events else set()
            self._metrics.damaged.labels("remade").inc(len(remade))
        found = [
            Finding(action="remake", subject=key, detail="it is damaged, and made again")
            for key in sorted(remade)
        ]
        lost = sorted(wrong - set(event.keys if event else ()))
        found += [
            Finding(action="damaged", subject=key, detail="it cannot be made again") for key in lost
        ]
        if not dry_run:
            for key in remade:
                await self._repository.cleared(video_id, key)
            for key in lost:
                if await self._repository.irreparable(video_id, key):
                    self._metrics.damaged.labels("lost").inc()
            for finding in found:
                _log.error("damaged object", **msgspec.structs.asdict(finding))
        return found

    async def scrub(self, video_id: str, *, dry_run: bool) -> Scrubbed | None:
        """Check one video now; None where it is deleted. With ``dry_run`` only report."""
        pace, looks = Pace(), 0
        while True:
            looks += 1
            found = await self.checks(video_id)
            if found is None:
                return None
            verdicts = await self._verdicts(found, pace)
            wrong = {key for key, seen in verdicts.items() if seen & {"damaged", "missing"}}
            unreadable = {key for key, seen in verdicts.items() if "unreadable" in seen} - wrong
            findings = await self.settle(video_id, wrong, found.version, dry_run=dry_run)
            if findings or not wrong or looks == _LOOKS:
                break
            # The log names other objects by now, such as joined ones.
        findings += [
            Finding(action="unreadable", subject=key, detail="the storage does not send its bytes")
            for key in sorted(unreadable)
        ]
        if not dry_run:
            for key in verdicts.keys() - wrong - unreadable:
                await self._repository.cleared(video_id, key)
            for key in unreadable:
                await self._repository.suspect(video_id, key, UNREADABLE_AGAIN)
            await self._repository.finished(video_id, found.version)
        return Scrubbed(
            video_id=video_id,
            objects=len(verdicts),
            bytes=pace.read,
            unknown=sum("unknown" in seen for seen in verdicts.values()),
            findings=tuple(findings),
        )

    async def _verdicts(self, found: Scrubbable, pace: Pace) -> dict[str, set[Verdict]]:
        """What the checks of each object say."""
        verdicts: dict[str, set[Verdict]] = {}
        for check in found.checks:
            verdicts.setdefault(check.key, set()).add(await self._judge(check, pace))
        return verdicts

    async def _judge(self, check: Check, pace: Pace) -> Verdict:
        """The verdict on which all readings agree, or that of the one that found no fault."""
        verdict = await self.read(check, pace)
        for _ in range(READS - 1):
            if verdict not in WRONG:
                break
            await asyncio.sleep(_PAUSE_SECONDS)
            verdict = await self.read(check, pace)
        return verdict
