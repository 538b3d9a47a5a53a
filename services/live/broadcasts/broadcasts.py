"""All broadcasts of this replica: admits publishers, and brings every session further."""

import asyncio
import time
from typing import Final
from weakref import WeakValueDictionary

from services.live.broadcasts.broadcast import (
    Broadcast,
    Means,
    PublisherSink,
    open_broadcast,
)
from services.live.broadcasts.capacity import Capacity, usable_cores
from services.live.broadcasts.entering import Entry, Places
from services.live.broadcasts.figures import Figures
from services.live.domain.session import Fenced
from services.live.ports import CANNOT_CONTINUE, NO_ROOM, Credential, Publisher, Refused, Session
from services.live.window.answers import Viewing
from shared.errors import Unavailable
from shared.telemetry import get_logger

_log = get_logger(__name__)

# How long one session may take to report; ownership is lost after six.
_REPORT_SECONDS: Final = 3.0
# How long the window of an ended session is kept, so that all players learn of its end.
_KEPT_SECONDS: Final = 30.0
# How long the last that publishers have sent may take through ffmpeg, at the end of the process.
_GOING_SECONDS: Final = 10.0
_DOWN: Final = "the server is going down"


class Broadcasts:
    """An ``Admission``. ``report`` and ``record`` are repeated by the process; ``most``: sessions
    with a publisher at once; ``cores``: what they may use, by default what this process may."""

    def __init__(self, means: Means, *, most: int, cores: float | None = None) -> None:
        self._means = means
        self._capacity = Capacity(most, cores or usable_cores())
        self._broadcasts: dict[str, Broadcast] = {}
        self._ended: dict[str, float] = {}
        self._recording: dict[str, asyncio.Task[None]] = {}
        self._places = Places(self._capacity, self._broadcasts, means.blobs.ping)
        # One for each session, while anybody waits for it: none waits for another's storage.
        self._attaching: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._draining = False

    @property
    def running(self) -> int:
        """Sessions with a publisher."""
        return self._places.running

    def figures(self) -> Figures:
        """What operators see of the sessions."""
        each = [broadcast.figures() for broadcast in self._broadcasts.values()]
        return Figures(
            sessions=self.running,
            bit_rate=sum(one.bit_rate for one in each),
            behind=max((one.behind for one in each), default=0.0),
            part_delay=max((one.part_delay for one in each), default=0.0),
            storage_wait=max((one.storage_wait for one in each), default=0.0),
            dropped_rungs=sum(one.dropped_rungs for one in each),
        )

    def viewing(self, video_id: str) -> Viewing | None:
        """The window of a session, if this replica has it."""
        broadcast = self._broadcasts.get(video_id)
        return broadcast.viewing if broadcast is not None else None

    async def admit(self, credential: Credential, publisher: Publisher) -> PublisherSink:
        """Raises Refused."""
        if self._draining:
            raise Refused("busy", NO_ROOM)
        entry = Entry(self._places)
        try:
            session = await self._means.sessions.connect(credential, publisher, entry)
            return await self._attach(session)
        finally:
            self._places.leave(entry)

    async def _attach(self, session: Session) -> PublisherSink:
        async with self._attaching.setdefault(session.video_id, asyncio.Lock()):
            broadcast = self._broadcasts.get(session.video_id)
            if broadcast is not None and broadcast.session.epoch + 1 != session.epoch:
                # Another replica had it in between: what this one has is not all of it.
                del self._broadcasts[session.video_id]
                await broadcast.end(ended=False)
                broadcast = None
            if broadcast is None:
                try:
                    broadcast = await open_broadcast(session, self._means)
                except Unavailable:
                    raise Refused("unavailable", CANNOT_CONTINUE) from None
                self._broadcasts[session.video_id] = broadcast
            return await broadcast.attach(session)

    async def report(self) -> None:
        """Tell the sessions that their owner is alive, and learn whether they may go on."""
        self._capacity.measure(
            {name: one.cpu_seconds for name, one in self._broadcasts.items() if not one.settled}
        )
        await asyncio.gather(*(self._report(one) for one in list(self._broadcasts.values())))
        now = time.monotonic()
        for video_id, since in list(self._ended.items()):
            if now - since > _KEPT_SECONDS:
                del self._ended[video_id]
                self._broadcasts.pop(video_id, None)

    async def _report(self, broadcast: Broadcast) -> None:
        session = broadcast.session
        if session.video_id in self._ended:
            return
        try:
            async with asyncio.timeout(_REPORT_SECONDS):
                reason = await self._means.sessions.alive(
                    session,
                    sending=broadcast.sending,
                    settled=broadcast.settled and not self._places.is_coming(session.video_id),
                    health=broadcast.health(),
                )
        except Fenced:
            await self._lost(broadcast, session)
        except (TimeoutError, Unavailable) as error:
            _log.warning("not reported", video=broadcast.session.video_id, reason=repr(error))
        else:
            broadcast.stop_reason = broadcast.stop_reason or reason

    async def _lost(self, broadcast: Broadcast, session: Session) -> None:
        """Another replica has the session, or it has ended; or a publisher comes back to it here,
        and what was refused is of the time before."""
        video_id = session.video_id
        over = await self._means.sessions.is_over(video_id)
        if broadcast.session is not session or self._places.is_coming(video_id):
            return
        broadcast.stop_reason = broadcast.stop_reason or "the session goes on elsewhere"
        if over:
            self._ended[video_id] = time.monotonic()
        elif self._broadcasts.get(video_id) is broadcast:
            # First, so that nobody comes back to it while it ends.
            del self._broadcasts[video_id]
        await broadcast.end(ended=over)

    async def record(self) -> None:
        """Start what can be recorded of each session; none waits for another's storage."""
        for video_id, broadcast in self._broadcasts.items():
            task = self._recording.get(video_id)
            if (task is None or task.done()) and video_id not in self._ended:
                self._recording[video_id] = asyncio.create_task(self._record(broadcast))
        done = [video_id for video_id in self._recording if video_id not in self._broadcasts]
        for video_id in done:
            del self._recording[video_id]

    async def _record(self, broadcast: Broadcast) -> None:
        session = broadcast.session
        try:
            await broadcast.step()
        except Fenced:
            await self._lost(broadcast, session)
        except Unavailable as error:
            _log.warning("not recorded yet", video=broadcast.session.video_id, reason=repr(error))
        except Exception:
            _log.exception("recording failed", video=broadcast.session.video_id)

    def drain(self) -> None:
        """Admit no more publishers."""
        self._draining = True

    async def close(self) -> None:
        """Record what is there. Publishers are told already; what they sent may still be on its way
        through ffmpeg."""
        self._draining = True
        going = [asyncio.create_task(one.left(_DOWN)) for one in self._broadcasts.values()]
        if going:
            await asyncio.wait(going, timeout=_GOING_SECONDS)
        await asyncio.gather(*(task for task in self._recording.values()))
        await asyncio.gather(*(self._record(one) for one in list(self._broadcasts.values())))
        await asyncio.gather(*(one.end(ended=False) for one in self._broadcasts.values()))
