"""One session that this replica owns: its window, its recording, and its publisher."""

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from services.live.broadcasts.figures import Figures
from services.live.flv.sink import OverLimit, Stopped, Tap
from services.live.flv.tags import Tag
from services.live.packaging.child import Program
from services.live.packaging.feed import Feed
from services.live.packaging.fragments import Init, read_init
from services.live.packaging.layout import TOP
from services.live.packaging.limits import MediaLimits
from services.live.ports import Health, Session, Sessions
from services.live.recording.adopting import adopt
from services.live.recording.history import Entry, read_history
from services.live.recording.posters import Posters
from services.live.recording.recorder import SegmentRecorder
from services.live.recording.segment_queue import SegmentQueue
from services.live.recording.spool import Spool
from services.live.window.answers import Viewing
from services.live.window.segments import WINDOW_SECONDS, Segment, Window
from services.live.window.waiting import Changes
from shared.blobs.store import BlobStore
from shared.telemetry import get_logger

_log = get_logger(__name__)

# Numbers that a lost owner may have shown to viewers, and not stored: the unfinished segment, and
# one that was on its way.
_LOST_NUMBERS: Final = 2
# A publisher counts as sending until it is silent for so long.
_SILENT_SECONDS: Final = 1.5


class Means(msgspec.Struct, frozen=True):
    """What broadcasts are made with. ``heights``: of the renditions below the publisher's own;
    ``limits``: of what it may send; ``dvr_seconds``: how far back viewers may go; ``tap``: opens
    what else sees the tags of its publishers; ``spool``: of the disk that segments wait on;
    ``clock`` is a steady clock in seconds.
    """

    sessions: Sessions
    blobs: BlobStore
    program: Program
    scratch: Path
    heights: tuple[int, ...]
    limits: MediaLimits = MediaLimits()
    dvr_seconds: int = 0
    tap: Callable[[Session], Tap] | None = None
    spool: Spool = msgspec.field(default_factory=Spool)
    clock: Callable[[], float] = time.monotonic


class Leaving(msgspec.Struct, frozen=True):
    """Why the publisher is gone, to be told when all that it sent is published."""

    reason: str
    clean: bool


class Broadcast:
    """Made by ``open_broadcast``. ``stop_reason``: why the publisher may not go on."""

    def __init__(self, session: Session, means: Means) -> None:
        self.session = session
        self._means = means
        # Its own: the broadcast before it of the same session may still be about to end.
        self._folder = means.scratch / f"{session.video_id}-{session.epoch}"
        self._changes = Changes()
        self.window = Window(
            session.video_id,
            next_number=session.next_segment,
            jumps=session.jumps,
            finished=self._finished,
            changed=self._changes.notify,
        )
        self.window.epoch = session.epoch
        self.viewing = Viewing(
            self.window,
            self._changes,
            low_latency=session.latency == "low",
            dvr_seconds=means.dvr_seconds,
        )
        queue = SegmentQueue(
            self._folder / "segments", means.spool.share(session.user_id), means.clock
        )
        self.recorder = SegmentRecorder(session, means.sessions, means.blobs, queue)
        self._feed: Feed | None = None
        self._tap: Tap | None = None
        self._leaving: Leaving | None = None
        self._going: set[asyncio.Task[None]] = set()
        self._given_up = False
        self._posters = Posters(
            means.program.ffmpeg,
            self._folder / "poster",
            means.blobs,
            session.video_id,
            clock=means.clock,
        )
        self._inits: dict[str, Init] = {}
        self.stop_reason: str | None = None
        self.over_limit: str | None = None
        """Why the session ends once all that was taken is published."""
        self.gone_since: float | None = None

    # The publisher.

    async def attach(self, session: Session) -> "PublisherSink":
        """A publisher sends with this session's epoch. An earlier one is cut off."""
        await self.detach()
        self._leaving = None
        self._given_up = False
        self.stop_reason = self.over_limit = None
        self.session = session
        self.window.epoch = session.epoch
        self.recorder.owner(session)
        folder = self._folder / "ffmpeg"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        program = msgspec.structs.replace(self._means.program, folder=folder)
        means = self._means
        self._feed = Feed(
            program, self.window, means.heights, self.window.next_number, means.limits
        )
        self._tap = means.tap(session) if means.tap is not None else None
        return PublisherSink(self, self._feed, self._tap)

    async def detach(self) -> None:
        """End the ffmpeg of the publisher before, if there is one."""
        feed, self._feed = self._feed, None
        tap, self._tap = self._tap, None
        if tap is not None:
            tap.close()
        if feed is not None:
            await feed.close()

    async def leave(self, feed: Feed, reason: str, *, clean: bool) -> None:
        """The publisher of ``feed`` is gone. All that it sent is in the window afterwards, also
        where whoever waits for that is cancelled: a connection that has no more time."""
        going = asyncio.create_task(self._leave(feed, reason, clean=clean))
        self._going.add(going)
        going.add_done_callback(self._going.discard)
        await asyncio.shield(going)

    async def left(self, reason: str) -> None:
        """Wait for the publishers that are going; one that is still there has to go."""
        if self._feed is not None:
            await self.leave(self._feed, reason, clean=False)
        if self._going:
            await asyncio.wait(self._going)

    async def _leave(self, feed: Feed, reason: str, *, clean: bool) -> None:
        if self._feed is not feed:
            # Another publisher has followed it already.
            return
        await self.detach()
        if self._feed is None:
            self._leaving = Leaving(reason, clean)

    @property
    def sending(self) -> bool:
        """Whether media arrived in the last moment."""
        feed = self._feed
        return feed is not None and time.monotonic() - feed.measures.last_arrival < _SILENT_SECONDS

    @property
    def cpu_seconds(self) -> float:
        """Processor time of its ffmpeg."""
        return self._feed.cpu_seconds if self._feed is not None else 0.0

    def health(self) -> Health | None:
        """What is measured of the publisher; also brings what the playlists say up to date."""
        feed = self._feed
        if feed is None:
            return None
        self.window.longest_gop = max(self.window.longest_gop, feed.measures.longest_gop)
        self.window.frame_rate = feed.measures.frame_rate
        return feed.measures.health()

    def figures(self) -> Figures:
        """What operators see of the session."""
        feed, wait = self._feed, self.recorder.waiting_seconds
        if feed is None:
            return Figures(storage_wait=wait)
        return Figures(
            bit_rate=feed.measures.health().bit_rate or 0,
            behind=max(0.0, feed.measures.behind),
            part_delay=self.window.part_delay,
            storage_wait=wait,
            dropped_rungs=feed.dropped_rungs,
        )

    # The recording.

    def _finished(self, track: str, segment: Segment, init: Init) -> None:
        self.recorder.add(track, segment, init)
        if track == TOP:
            self._posters.offer(segment, init)

    async def step(self) -> None:
        """Bring recording further. Raises Fenced, Unavailable."""
        await self._give_up_if_it_cannot_go_on()
        layout = self.window.layout
        leaving = self._leaving if self._feed is None else None
        await self.recorder.step(
            layout.tracks if layout is not None else (), everything=leaving is not None
        )
        if leaving is not None and leaving is self._leaving:
            await self._means.sessions.disconnected(
                self.session, leaving.reason, clean=leaving.clean
            )
            self._leaving = None
            if self.over_limit is not None:
                await self._means.sessions.give_up(self.session, self.over_limit)
        made = await self._posters.step()
        if made is not None:
            await self._means.sessions.poster_made(self.session, made)
            self._posters.shown(made)

    async def _give_up_if_it_cannot_go_on(self) -> None:
        """End the session. What waits for the storage still becomes part of its video."""
        failure = self.recorder.failure
        if failure is not None and not self._given_up:
            self.stop_reason = self.stop_reason or failure
            await self._means.sessions.give_up(self.session, failure)
            self._given_up = True

    @property
    def settled(self) -> bool:
        """Whether nothing is left to be told of a publisher."""
        return self._feed is None and self._leaving is None and not self._going

    async def end(self, *, ended: bool) -> None:
        """Nothing follows here. ``ended``: nor anywhere else."""
        await self.detach()
        if ended:
            self.window.finish()
        self.recorder.drop()
        shutil.rmtree(self._folder, ignore_errors=True)

    # What earlier owners have left.

    async def take_over(self) -> None:
        """Continue an earlier owner's window and recording. Raises Unavailable."""
        session, sessions, blobs = self.session, self._means.sessions, self._means.blobs
        events = await sessions.history(session.video_id)
        self._posters.adopt(events)
        history = read_history(session.video_id, events)
        reference = history.reference()
        if not reference:
            # Its first segments were shown, and never stored.
            self.window.lose(session.next_segment + _LOST_NUMBERS)
            return
        newest = reference[max(reference)]
        self.window.restore_anchors(history.began, history.anchors)
        for name, entries in history.tracks.items():
            for entry in entries:
                if entry.at > newest.at - WINDOW_SECONDS:
                    self.window.restore(name, _segment(entry), await self._init(entry.init_key))
        top = session.tracks[0]
        items = await adopt(blobs, session, session.jumps, newest.at + float(newest.seconds), top)
        self.recorder.adopt(items)
        for item in items:
            self.window.restore(item.track, item.segment, item.init)
        self.window.lose(self.window.next_number + _LOST_NUMBERS)

    async def _init(self, key: str) -> Init:
        """An init segment that an earlier owner has stored."""
        if key not in self._inits:
            self._inits[key] = read_init(await self._means.blobs.read(key))
        return self._inits[key]


def _segment(entry: Entry) -> Segment:
    return Segment(
        number=entry.number,
        folder=entry.key.rpartition("/")[0],
        init_key=entry.init_key,
        timescale=entry.timescale,
        jumps=entry.jumps,
        start=entry.start,
        at=entry.at,
        duration=entry.duration,
        done=True,
        stored=True,
    )


async def open_broadcast(session: Session, means: Means) -> Broadcast:
    """A session's broadcast on this replica, which may not be the first one to own it."""
    broadcast = Broadcast(session, means)
    if session.epoch > 1:
        await broadcast.take_over()
    return broadcast


class PublisherSink:
    """The sink of one publisher of a broadcast."""

    def __init__(self, broadcast: Broadcast, feed: Feed, tap: Tap | None) -> None:
        self._broadcast = broadcast
        self._feed = feed
        self._tap = tap

    @property
    def video_id(self) -> str:
        """The session's."""
        return self._broadcast.session.video_id

    async def take(self, tag: Tag) -> None:
        """Raises NotPlayable, Stopped."""
        if self._broadcast.stop_reason is not None:
            raise Stopped(self._broadcast.stop_reason)
        try:
            await self._feed.take(tag)
        except OverLimit as error:
            self._broadcast.over_limit = str(error)
            raise
        if self._tap is not None:
            self._tap.offer(tag)

    async def close(self, reason: str, *, clean: bool) -> None:
        """Everything that was taken is in the window afterwards."""
        await self._broadcast.leave(self._feed, reason, clean=clean)
