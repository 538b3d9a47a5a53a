"""What is remembered of a WebRTC publisher's packets that are missing."""

from types import SimpleNamespace
from typing import Any

from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket

from services.live.whip.receiving import Watched

H264 = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90_000, payloadType=102)


class Receiver(SimpleNamespace):
    """What ``Watched`` reads of aiortc's."""

    def __init__(self) -> None:
        super().__init__(_handle_rtp_packet=None, _handle_rtcp_packet=None)
        setattr(self, "_RTCRtpReceiver__codecs", {102: H264})  # noqa: B010
        setattr(self, "_RTCRtpReceiver__remote_streams", {7: None})  # noqa: B010
        self.asked = 0

    async def _send_rtcp_pli(self, _: int) -> None:
        self.asked += 1


class Losses:
    def __init__(self) -> None:
        self.count = 0
        self.receiver = Receiver()
        receiver: Any = self.receiver
        self.watched = Watched(receiver, lambda *_: None, self._lost)

    def _lost(self) -> None:
        self.count += 1

    def packet(self, number: int, now: float) -> None:
        self.watched._watch(RtpPacket(payload_type=102, sequence_number=number & 0xFFFF), now)


def test_a_packet_that_does_not_come_is_given_up_after_a_moment() -> None:
    losses = Losses()
    losses.packet(1, 0.0)
    losses.packet(3, 0.1)
    losses.packet(4, 0.4)
    assert losses.count == 0
    losses.packet(5, 0.6)
    losses.packet(6, 0.7)
    assert losses.count == 1


def test_a_packet_that_comes_late_is_not_lost() -> None:
    losses = Losses()
    losses.packet(1, 0.0)
    losses.packet(3, 0.1)
    losses.packet(2, 0.3)
    losses.packet(4, 1.0)
    assert losses.count == 0


def test_leaps_of_numbers_are_no_list_without_end() -> None:
    losses = Losses()
    most = 0
    for step in range(5000):
        losses.packet(300 * step, step / 100_000)
        most = max(most, len(losses.watched._missing))
    assert most <= 1200


async def test_key_pictures_are_asked_for_now_and_then() -> None:
    losses = Losses()
    for _ in range(50):
        await losses.watched.ask_for_key()
    assert 1 <= losses.receiver.asked < 50
