"""aiortc without decoding: encoded frames, sender reports, and requests for key pictures.

aiortc hands frames to a decoder and has no public way to the encoded ones. This module replaces
the decoder's thread by one that passes frames on, and reads members of a receiver that are
private; the version is pinned, and ``test_live_whip`` fails where they change.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from aioice import ice
from aiortc import RTCRtpTransceiver, rtcrtpreceiver
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtp import RtcpSrPacket, RtpPacket

# Frames that wait for their reader; more are dropped, and a key picture is asked for.
_MAX_WAITING: Final = 600
# NTP counts seconds in the upper half of 64 bits.
_NTP_FRACTION: Final = 1 << 32
# Seconds after which a packet that is missing is given up: retransmission takes two round trips.
_LOST_AFTER: Final = 0.4
_MAX_MISSING: Final = 200
# Packets that are waited for at once; of more, the sender sends a key picture.
_MAX_WAITED_FOR: Final = 1000
# Key pictures are asked for as often as that.
_ASK_SECONDS: Final = 0.1
_MASK: Final = 0xFFFF
_NO_LIMIT: Final = 1 << 62


def install() -> None:
    """From now on, receivers of this process pass frames on as they are.

    A publisher that answers no consent check (RFC 7675) may go on: ffmpeg answers none. Consent is
    for those who send; what is received shows by itself that the publisher is there.
    """
    rtcrtpreceiver.decoder_worker = _pass_on
    ice.CONSENT_FAILURES = _NO_LIMIT


def _pass_on(
    loop: asyncio.AbstractEventLoop,
    input_q: "queue.Queue[Any]",
    output_q: "asyncio.Queue[Any]",
    decode_error: threading.Event,
) -> None:
    """In place of aiortc's thread that decodes; None ends it."""
    while (task := input_q.get()) is not None:
        _, frame = task
        if output_q.qsize() > _MAX_WAITING:
            decode_error.set()
            continue
        loop.call_soon_threadsafe(output_q.put_nowait, frame)
    loop.call_soon_threadsafe(output_q.put_nowait, None)


def keep_codec(transceiver: RTCRtpTransceiver, name: str) -> bool:
    """Of what an offer and aiortc have in common, answer with this codec and its
    retransmissions alone; False where it is not among them.

    Preferences have no effect any more once there is an offer, and the first codec of browsers is
    another one.
    """
    common = transceiver._codecs
    kept = [codec for codec in common if codec.name.lower() == name]
    payloads = {codec.payloadType for codec in kept}
    again = [
        codec
        for codec in common
        if codec.name.lower() == "rtx" and codec.parameters.get("apt") in payloads
    ]
    transceiver._codecs = [*kept, *again]
    return bool(kept)


class Watched:
    """A receiver whose packets and reports are looked at on their arrival.

    ``on_report`` gets the sender's clock in seconds and the timestamp of the same moment, counted
    like those of frames. ``on_loss`` is called when a packet is given up.
    """

    def __init__(
        self,
        receiver: RTCRtpReceiver,
        on_report: Callable[[float, int], None],
        on_loss: Callable[[], None] | None = None,
    ) -> None:
        self._receiver = receiver
        self._on_report = on_report
        self._on_loss = on_loss
        self._highest: int | None = None
        # In the order in which they were missed.
        self._missing: dict[int, float] = {}
        self._asked = 0.0
        self._packet = receiver._handle_rtp_packet
        self._control = receiver._handle_rtcp_packet
        self._bytes = 0
        setattr(receiver, "_handle_rtp_packet", self._on_packet)  # noqa: B010
        setattr(receiver, "_handle_rtcp_packet", self._on_control)  # noqa: B010

    @property
    def received(self) -> int:
        """Bytes of payload so far."""
        return self._bytes

    async def ask_for_key(self) -> None:
        """Send a picture loss indication (RFC 4585, 6.3.1) to each stream of the receiver."""
        now = time.monotonic()
        if now - self._asked < _ASK_SECONDS:
            return
        self._asked = now
        for source in list(self._private("remote_streams")):
            await self._receiver._send_rtcp_pli(source)

    async def _on_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        self._bytes += len(packet.payload)
        await self._packet(packet, arrival_time_ms)
        if self._on_loss is not None:
            self._watch(packet, time.monotonic())

    def _watch(self, packet: RtpPacket, now: float) -> None:
        codec = self._private("codecs").get(packet.payload_type)
        if codec is None:
            return
        if codec.name.lower() == "rtx":
            # A retransmission begins with the number of the packet that it repeats.
            self._missing.pop(int.from_bytes(packet.payload[:2], "big"), None)
            return
        number = packet.sequence_number
        ahead = 0 if self._highest is None else (number - self._highest) & _MASK
        if self._highest is None or 0 < ahead < 0x8000:
            if self._highest is not None:
                for step in range(1, min(ahead, _MAX_MISSING)):
                    missed = (self._highest + step) & _MASK
                    self._missing.pop(missed, None)
                    self._missing[missed] = now
            self._highest = number
        else:
            self._missing.pop(number, None)
        if self._gives_up(now) and self._on_loss is not None:
            self._on_loss()

    def _gives_up(self, now: float) -> bool:
        """Forget what is missing for too long; whether there was any."""
        before = len(self._missing)
        if before > _MAX_WAITED_FOR:
            self._missing.clear()
        while self._missing:
            eldest = next(iter(self._missing))
            if now - self._missing[eldest] <= _LOST_AFTER:
                break
            del self._missing[eldest]
        return len(self._missing) < before

    async def _on_control(self, packet: object) -> None:
        await self._control(packet)  # type: ignore[arg-type]
        origin = self._private("timestamp_mapper")._origin
        if isinstance(packet, RtcpSrPacket) and origin is not None:
            info = packet.sender_info
            # Frames count from the first one; the origin follows when the counter of RTP wraps.
            timestamp = info.rtp_timestamp - origin
            if timestamp < -(1 << 31):
                timestamp += 1 << 32
            self._on_report(info.ntp_timestamp / _NTP_FRACTION, timestamp)

    def _private(self, name: str) -> Any:
        return getattr(self._receiver, f"_RTCRtpReceiver__{name}")
