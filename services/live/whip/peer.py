"""One publisher by WHIP (RFC 9725): its connection, and its frames as tags for the sink."""

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.exceptions import (
    InternalError,
    InvalidAccessError,
    InvalidStateError,
    OperationError,
)
from aiortc.mediastreams import MediaStreamError

from services.live.flv.sink import Sink, Stopped
from services.live.flv.tags import AUDIO, VIDEO, NotPlayable, Tag
from services.live.packaging.limits import NO_PICTURE_SECONDS
from services.live.whip.frames import OPUS_HEADER, opus_packet, picture
from services.live.whip.gate import Gate
from services.live.whip.ice import Fragment, IcePath, NotConnected, with_few_candidates
from services.live.whip.receiving import Watched, keep_codec
from services.live.whip.timeline import Timeline
from shared.telemetry import get_logger

# Browsers send key pictures only when they are asked, and segments begin with them.
_KEY_SECONDS: Final = 2.0
_CONNECT_SECONDS: Final = 15.0
# One picture and one sound, and one more that a client may have by mistake and is told of.
_MAX_MEDIA: Final = 3
# Without anything for so long, a publisher is gone.
_IDLE_SECONDS: Final = 15.0
# What aiortc raises where the SDP is not one: it asserts what it expects, and takes the first of
# what may be empty, which in a coroutine is a RuntimeError.
UNREADABLE: Final = (
    *(ValueError, KeyError, IndexError, AttributeError),
    *(AssertionError, TypeError, RuntimeError),
    *(InternalError, InvalidAccessError, InvalidStateError, OperationError),
)


_ONE_OF_EACH: Final = "Send one picture, and at most one sound."


class UnusableOffer(Exception):
    """The offer is none; the text is for the publisher."""


class OtherMedia(Exception):
    """The offer has something that cannot be taken; the text is for the publisher."""


class Peer:
    """``on_end`` is called once, after the sink has been closed.

    ``generation`` names the present ICE session, for the requests that belong to it.
    """

    def __init__(self, sink: Sink, on_end: Callable[[], None]) -> None:
        self.generation = secrets.token_urlsafe(9)
        self._sink = sink
        self._on_end = on_end
        # Without this, aiortc asks a STUN server of others for its address.
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._path: IcePath | None = None
        self._gate = Gate(self._too_much)
        self._timeline = Timeline()
        self._order = asyncio.Lock()
        self._last = {AUDIO: 0, VIDEO: 0}
        self._header: bytes | None = None
        self._sounds = False
        self._broken = True
        self._pictures: Watched | None = None
        # Until when the next picture must come; None while a picture is taken.
        self._silence: asyncio.Timeout | None = None
        self._seen = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = False
        self._log = get_logger("live.whip")

    async def answer(self, offer: str) -> str:
        """The answer to an offer (SDP). Raises UnusableOffer, OtherMedia."""
        connection = self._connection
        if offer.count("\nm=") > _MAX_MEDIA:
            raise OtherMedia(_ONE_OF_EACH)
        connection.on("connectionstatechange", self._on_state)
        taken = RTCSessionDescription(with_few_candidates(offer), "offer")
        try:
            await connection.setRemoteDescription(taken)
            path = self._check_and_prepare()
            await connection.setLocalDescription(await connection.createAnswer())
        except UNREADABLE as error:
            raise UnusableOffer("The offer is not SDP that can be used.") from error
        path.gathered()
        if any(not transceiver.receiver._track for transceiver in connection.getTransceivers()):
            raise OtherMedia("Send picture and sound; do not only receive.")
        for transceiver in connection.getTransceivers():
            self._follow(transceiver)
        self._start(self._give_up_unless_connected())
        return connection.localDescription.sdp

    async def add_candidates(self, lines: tuple[str, ...]) -> None:
        """Candidates that come after the offer (RFC 8840). Raises UnusableFragment."""
        if self._path is not None:
            await self._path.add_candidates(lines)

    async def restart(self, fragment: Fragment) -> str:
        """Begin a new ICE session: the fragment that answers. Raises NotConnected,
        UnusableFragment."""
        if self._path is None or self._ended:
            raise NotConnected
        answer = await self._path.restart(fragment)
        self.generation = secrets.token_urlsafe(9)
        return answer

    def end(self) -> None:
        """The publisher has said that it ends. Its last pictures are still on their way to the
        sink, and it does not wait for them."""
        self._start(self.close("ended by the publisher", clean=True))

    async def close(self, reason: str, *, clean: bool) -> None:
        """End the connection and close the sink, once."""
        if self._ended:
            return
        self._ended = True
        current = asyncio.current_task()
        for task in self._tasks - {current}:
            task.cancel()
        if self._path is not None:
            await self._path.close()
        await self._connection.close()
        async with self._order:
            await self._sink.close(reason, clean=clean)
        self._on_end()

    def _check_and_prepare(self) -> IcePath:
        """Refuse what cannot be taken, and set up the rest. Raises OtherMedia."""
        transceivers = self._connection.getTransceivers()
        kinds = [transceiver.kind for transceiver in transceivers]
        if not kinds:
            raise ValueError("no media")
        if kinds.count("video") != 1 or kinds.count("audio") > 1 or self._connection.sctp:
            raise OtherMedia(_ONE_OF_EACH)
        self._sounds = "audio" in kinds
        transports = {transceiver.receiver.transport for transceiver in transceivers}
        if len(transports) > 1:
            raise OtherMedia("Bundle picture and sound (RFC 9143).")
        secured = transports.pop()
        self._gate.watch_sources(secured)
        path = IcePath(secured.transport, transceivers[0].mid or "0", self._gate, self._restarted)
        self._path = path
        for transceiver in transceivers:
            transceiver.direction = "recvonly"
            if not keep_codec(transceiver, "h264" if transceiver.kind == "video" else "opus"):
                raise OtherMedia("Send H.264 and Opus.")
        return path

    def _follow(self, transceiver: RTCRtpTransceiver) -> None:
        receiver = transceiver.receiver
        if transceiver.kind == "video":
            self._pictures = Watched(receiver, self._timeline.report_picture, self._lost)
            self._start(self._until_the_end(self._take_pictures(receiver.track)))
        else:
            Watched(receiver, self._timeline.report_sound)
            self._start(self._until_the_end(self._take_sound(receiver.track)))

    async def _take_pictures(self, track: MediaStreamTrack) -> None:
        asked = taken = time.monotonic()
        while True:
            frame = await self._next_picture(track)
            now = time.monotonic()
            if now - taken > NO_PICTURE_SECONDS:
                raise Stopped(f"no picture came for {NO_PICTURE_SECONDS:.0f} s")
            made = picture(frame.data)
            if self._pictures is not None and now - asked > _KEY_SECONDS:
                asked = now
                await self._pictures.ask_for_key()
            if made is None:
                continue
            at = self._timeline.picture(frame.timestamp, now)
            if made.header is not None and made.header != self._header:
                await self._begin(made.header, at)
            if made.key and self._header is not None:
                self._broken = False
            if not self._broken:
                await self._put(VIDEO, at, made.body)
                taken = time.monotonic()

    async def _next_picture(self, track: MediaStreamTrack) -> Any:
        try:
            async with asyncio.timeout(_IDLE_SECONDS) as self._silence:
                frame = await track.recv()
        finally:
            self._silence = None
        self._seen = True
        return frame

    def _restarted(self) -> None:
        """Packets come again, by another way: what was lost meanwhile is made up for.

        A publisher that restarts without sending a picture gains no time.
        """
        if self._seen and self._silence is not None and not self._silence.expired():
            self._silence.reschedule(asyncio.get_running_loop().time() + _IDLE_SECONDS)
        self._seen = False
        self._lost()

    async def _begin(self, header: bytes, at: int) -> None:
        """Say how pictures are to be decoded, and at first that sound will follow."""
        first, self._header = self._header is None, header
        await self._put(VIDEO, at, header)
        if first and self._sounds:
            await self._put(AUDIO, at, OPUS_HEADER)

    async def _take_sound(self, track: MediaStreamTrack) -> None:
        while True:
            frame: Any = await track.recv()
            at = self._timeline.sound(frame.timestamp, time.monotonic())
            if at is not None and self._header is not None:
                await self._put(AUDIO, at, opus_packet(frame.data))

    async def _put(self, kind: int, milliseconds: int, body: bytes) -> None:
        """Tags of one kind never go back in time, as FLV wants it."""
        async with self._order:
            if not self._ended:
                self._last[kind] = at = max(milliseconds, self._last[kind])
                await self._sink.take(Tag(kind, at, body))

    def _lost(self) -> None:
        """A picture is missing: the last good one stands until the next key picture."""
        self._broken = True
        if self._pictures is not None:
            self._start(self._pictures.ask_for_key())

    def _too_much(self, reason: str) -> None:
        self._start(self.close(reason, clean=False))

    async def _until_the_end(self, taking: Coroutine[Any, Any, None]) -> None:
        try:
            await taking
        except (MediaStreamError, TimeoutError):
            await self.close("the publisher has gone", clean=False)
        except (NotPlayable, Stopped) as error:
            await self.close(str(error), clean=False)

    async def _give_up_unless_connected(self) -> None:
        await asyncio.sleep(_CONNECT_SECONDS)
        if self._connection.connectionState != "connected":
            await self.close("no connection came about", clean=False)

    async def _on_state(self) -> None:
        if self._connection.connectionState in ("failed", "closed"):
            await self.close("the connection is lost", clean=False)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
