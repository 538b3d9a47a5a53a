"""One publisher by WHIP (RFC 9725): its connection, and its frames as tags for the sink."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from aiortc import (
    MediaStreamTrack,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import candidate_from_sdp

from services.live.flv.sink import Sink, Stopped
from services.live.flv.tags import AUDIO, VIDEO, NotPlayable, Tag
from services.live.whip.frames import OPUS_HEADER, opus_packet, picture
from services.live.whip.receiving import Watched
from services.live.whip.timeline import Timeline
from shared.telemetry import get_logger

# Browsers send key pictures only when they are asked, and segments begin with them.
_KEY_SECONDS: Final = 2.0
_CONNECT_SECONDS: Final = 15.0
# Without a picture for so long, a publisher is gone.
_IDLE_SECONDS: Final = 15.0
_MAX_CANDIDATES: Final = 32


class UnusableOffer(Exception):
    """The offer has nothing that can be taken; the text is for the publisher."""


class Peer:
    """``on_end`` is called once, after the sink has been closed."""

    def __init__(self, sink: Sink, on_end: Callable[[], None]) -> None:
        self._sink = sink
        self._on_end = on_end
        self._connection = RTCPeerConnection()
        self._timeline = Timeline()
        self._order = asyncio.Lock()
        self._last = {AUDIO: 0, VIDEO: 0}
        self._header: bytes | None = None
        self._sounds = False
        self._broken = True
        self._candidates = 0
        self._pictures: Watched | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = False
        self._log = get_logger("live.whip")

    async def answer(self, offer: str) -> str:
        """The answer to an offer (SDP). Raises UnusableOffer."""
        connection = self._connection
        connection.on("connectionstatechange", self._on_state)
        try:
            await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            kinds = [transceiver.kind for transceiver in connection.getTransceivers()]
            if kinds.count("video") != 1 or kinds.count("audio") > 1:
                raise UnusableOffer("Send one picture, and at most one sound.")
            self._sounds = "audio" in kinds
            for transceiver in connection.getTransceivers():
                self._prefer(transceiver)
            await connection.setLocalDescription(await connection.createAnswer())
        except (ValueError, KeyError, IndexError, AttributeError) as error:
            # What aiortc raises where the SDP is not one.
            raise UnusableOffer("The offer is not SDP that can be used.") from error
        if any(not transceiver.receiver._track for transceiver in connection.getTransceivers()):
            raise UnusableOffer("Send H.264 and Opus.")
        for transceiver in connection.getTransceivers():
            self._follow(transceiver)
        self._start(self._give_up_unless_connected())
        return connection.localDescription.sdp

    async def add_candidates(self, lines: list[str]) -> None:
        """Candidates that come after the offer (RFC 8840). Raises UnusableOffer."""
        self._candidates += len(lines)
        if self._candidates > _MAX_CANDIDATES:
            raise UnusableOffer("Too many candidates.")
        for line in lines:
            try:
                candidate = candidate_from_sdp(line)
            except (ValueError, IndexError, AssertionError) as error:
                raise UnusableOffer("A candidate cannot be read.") from error
            candidate.sdpMid = self._connection.getTransceivers()[0].mid
            await self._connection.addIceCandidate(candidate)

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
        await self._connection.close()
        async with self._order:
            await self._sink.close(reason, clean=clean)
        self._on_end()

    def _prefer(self, transceiver: RTCRtpTransceiver) -> None:
        """Receive only, and only what can be put into the stream as it is."""
        transceiver.direction = "recvonly"
        wanted = ("H264", "rtx") if transceiver.kind == "video" else ("opus",)
        capabilities = RTCRtpReceiver.getCapabilities(transceiver.kind)
        codecs = capabilities.codecs if capabilities else []
        transceiver.setCodecPreferences([codec for codec in codecs if codec.name in wanted])

    def _follow(self, transceiver: RTCRtpTransceiver) -> None:
        receiver = transceiver.receiver
        if transceiver.kind == "video":
            self._pictures = Watched(receiver, self._timeline.report_picture, self._lost)
            self._start(self._until_the_end(self._take_pictures(receiver.track)))
        else:
            Watched(receiver, self._timeline.report_sound)
            self._start(self._until_the_end(self._take_sound(receiver.track)))

    async def _take_pictures(self, track: MediaStreamTrack) -> None:
        asked = time.monotonic()
        while True:
            async with asyncio.timeout(_IDLE_SECONDS):
                frame: Any = await track.recv()
            now = time.monotonic()
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
