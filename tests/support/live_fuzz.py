"""Mutated input of publishers, for every protocol by which lives come in.

``python -m tests.support.live_fuzz --cases 100000 --seed 7`` runs each kind in turn, and says how
much memory the process has taken. The same seed makes the same cases. Whatever comes in, only the
errors that are meant to be may be raised.
"""

import argparse
import asyncio
import random
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from aiortc.codecs import depayload
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtcpPacket, RtpPacket
from aiortc.sdp import SessionDescription

from services.live.flv import amf0
from services.live.flv.settings import avc_settings, is_plain_aac
from services.live.flv.tags import AUDIO, FILE_HEADER, VIDEO, NotPlayable, Tag, content, encode
from services.live.packaging.feed import metadata
from services.live.rtmp.wire import Parser, ProtocolError
from services.live.srt.publishers import read_tags
from services.live.srt.stream_id import resource_of
from services.live.whip.frames import opus_packet, picture
from services.live.whip.ice import read_fragment
from services.live.whip.peer import UNREADABLE
from tests.support.rtmp_bytes import AVC_HEADER, HANDSHAKE, RECORDED

HANDSHAKE_END: Final = len(HANDSHAKE)
_COMMANDS_END: Final = 1200
NASTY: Final = (
    b"\xff" * 4,
    b"\0" * 4,
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x14",
    b"\x02\0\0\0\0\0\4\1\0\0\0\0\0\0\0\0",
    b"\x02\0\0\0\0\0\4\1\0\0\0\0\x7f\xff\xff\xff",
    b"\x02\0\0\0\0\0\4\1\0\0\0\0\0\0\0\1",
    b"\x03\0\0\0\xff\xff\xff\x09\0\0\0\0",
    b"\x05\0\0\0\0\4\0\x16\0\0\0\0",
    b"\x0a" + b"\xff" * 4,
    b"\3" * 60,
)
_VALUES: Final = amf0.write(
    "onMetaData", 1.0, {"width": 1280.0, "framerate": 30.0, "encoder": "x", "on": True}, None
)
_TAGS: Final = (
    AVC_HEADER,
    b"\x17\1\0\0\0" + bytes(40),
    b"\x90hvc1" + bytes(60),
    b"\x91av01\0\0\0" + bytes(30),
    b"\xaf\0\x11\x90",
    b"\xaf\1" + bytes(30),
    b"\x90Opus" + bytes(20),
)
_RTP: Final = b"\x80\xe6\0\1\0\0\0\1\0\0\0\2" + b"\x7c\x85" + bytes(60)
_RTCP: Final = b"\x80\xc8\0\6\0\0\0\1" + bytes(20)
_ANNEX_B: Final = b"\0\0\0\1\x67\x42\xc0\x1f" + bytes(8) + b"\0\0\1\x68\xce\0\0\1\x65" + bytes(50)
_H264: Final = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90_000, payloadType=102)
OFFER: Final = "\r\n".join(
    (
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=video 9 UDP/TLS/RTP/SAVPF 102 103",
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        "a=sendonly",
        "a=rtcp-mux",
        "a=rtpmap:102 H264/90000",
        "a=fmtp:102 packetization-mode=1;profile-level-id=42e01f",
        "a=rtpmap:103 rtx/90000",
        "a=fmtp:103 apt=102",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuv",
        "a=candidate:1 1 udp 2122260223 192.0.2.1 50000 typ host",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "a=setup:actpass",
        "a=ssrc-group:FID 1 2",
        "a=ssrc:1 cname:x",
        "",
    )
).encode()


def changed(random_: random.Random, data: bytes, low: int = 0, high: int | None = None) -> bytes:
    """Some changes between two places."""
    found = bytearray(data)
    for _ in range(random_.choice((1, 1, 2, 5, 20))):
        end = min(len(found), high or len(found))
        at = random_.randrange(min(low, end - 1), end)
        match random_.randrange(5):
            case 0:
                found[at] = random_.randrange(256)
            case 1:
                found[at] ^= 1 << random_.randrange(8)
            case 2:
                found[at : at + 4] = random_.choice(NASTY)
            case 3 if len(found) > 50:
                del found[at : at + random_.choice((1, 3, 40))]
            case _:
                found[at:at] = random_.choice(NASTY)
    return bytes(found)


def rtmp(random_: random.Random) -> None:
    """The beginning of a recorded session, most of its changes in the commands."""
    end = random_.choice((HANDSHAKE_END + 600, HANDSHAKE_END + 4000, HANDSHAKE_END + 9000))
    low = 0 if random_.random() < 0.1 else HANDSHAKE_END
    high = None if random_.random() < 0.5 else low + _COMMANDS_END
    consume(changed(random_, RECORDED[:end], low, high))


def consume(data: bytes) -> None:
    """Read all of a session as the server does."""
    parser = Parser(lambda _: None)
    parser.receive(data)
    with suppress(ProtocolError):
        for message in parser.messages(1 << 30):
            with suppress(amf0.MalformedAmf, NotPlayable):
                if message.kind in (17, 20):
                    amf0.read(message.body)
                elif message.kind in (AUDIO, VIDEO):
                    content(Tag(message.kind, message.milliseconds, message.body))
    assert len(parser._buffer) <= len(data)
    assert 0 <= parser._held <= (8 << 20) + (4 << 20)
    assert parser._held == sum(map(len, parser._bodies.values()))
    assert len(parser._headers) <= 32


def amf(random_: random.Random) -> None:
    """A command, or metadata."""
    data = changed(random_, _VALUES)
    with suppress(amf0.MalformedAmf):
        amf0.read(data)
    metadata(data)


def flv(random_: random.Random) -> None:
    """The body of a tag, with its decoder's settings."""
    body = changed(random_, random_.choice(_TAGS))
    for kind in (AUDIO, VIDEO):
        with suppress(NotPlayable):
            content(Tag(kind, 0, body))
    avc_settings(body)
    is_plain_aac(body)


def srt(random_: random.Random) -> None:
    """A stream id, and what the program behind SRT writes."""
    resource_of(changed(random_, b"#!::r=live_0123456789,m=publish,u=x").decode(errors="replace"))
    written = FILE_HEADER + b"".join(encode(Tag(VIDEO, 40, body)) for body in _TAGS)
    asyncio.run(_read(changed(random_, written)))


async def _read(data: bytes) -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(data)
    stream.feed_eof()
    with suppress(NotPlayable):
        async for tag in read_tags(stream):
            with suppress(NotPlayable):
                content(tag)


def rtp(random_: random.Random) -> None:
    """Packets of a publisher by WebRTC, and the pictures in them. ValueError is what the
    connection's own loop expects of its packets."""
    with suppress(ValueError):
        RtcpPacket.parse(changed(random_, _RTCP))
    with suppress(ValueError):
        packet = RtpPacket.parse(changed(random_, _RTP))
        picture(depayload(_H264, packet.payload))
    data = changed(random_, _ANNEX_B)
    picture(data)
    opus_packet(data)


def sdp(random_: random.Random) -> None:
    """An offer, and a fragment with candidates."""
    text = changed(random_, OFFER).decode(errors="replace")
    # StopIteration is a RuntimeError in the coroutine that parses it.
    with suppress(*UNREADABLE, StopIteration):
        SessionDescription.parse(text)
    read_fragment(text)


KINDS: Final[dict[str, Callable[[random.Random], None]]] = {
    "rtmp": rtmp,
    "amf": amf,
    "flv": flv,
    "srt": srt,
    "rtp": rtp,
    "sdp": sdp,
}


def run(cases: int, seed: int, kinds: tuple[str, ...] = tuple(KINDS)) -> None:
    """So many cases, each kind in turn. What fails is named by its seed and number."""
    for number in range(cases):
        kind = kinds[number % len(kinds)]
        try:
            KINDS[kind](random.Random(f"{seed} {number}"))
        except Exception as error:
            raise AssertionError(f"case {number} of seed {seed}, {kind}: {error!r}") from error


def main() -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    chosen = parser.parse_args()
    sys.stdout.write(f"seed {chosen.seed}\n")
    run(min(chosen.cases, 2000), chosen.seed)
    before = _memory()
    run(chosen.cases, chosen.seed)
    grown = _memory() - before
    sys.stdout.write(f"{chosen.cases} cases; memory has grown by {grown:.1f} MiB\n")
    return int(grown > 32)


def _memory() -> float:
    """The most that the process has taken, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
