"""What a publisher sends over RTMP, as bytes."""

from pathlib import Path
from typing import Any

from services.live.flv import amf0

# All that ffmpeg 9 sent when it published two seconds of 160x90 with sound.
RECORDED = (Path(__file__).parents[1] / "unit" / "live" / "ffmpeg.rtmp").read_bytes()
HANDSHAKE = b"\x03" + bytes(1536) + bytes(1536)


def chunk(kind: int, body: bytes, *, stream: int = 0, at: int = 0, number: int = 3) -> bytes:
    """A message with a full header, in chunks of 128 bytes."""
    time = min(at, 0xFFFFFF).to_bytes(3, "big")
    extended = at.to_bytes(4, "big") if at >= 0xFFFFFF else b""
    head = bytes((number,)) + time + len(body).to_bytes(3, "big") + bytes((kind,))
    parts = [body[i : i + 128] for i in range(0, len(body), 128)] or [b""]
    return (
        head
        + stream.to_bytes(4, "little")
        + extended
        + (bytes((0xC0 | number,)) + extended).join(parts)
    )


def command(name: str, *values: Any, stream: int = 0) -> bytes:
    return chunk(20, amf0.write(name, 1.0, *values), stream=stream)


def publish(key: str = "good", app: str = "live") -> bytes:
    """Everything up to ``publish``, without waiting for answers."""
    return (
        HANDSHAKE
        + command("connect", {"app": app, "flashVer": "FMLE/3.0 (test)"})
        + command("releaseStream", None, key)
        + command("FCPublish", None, key)
        + command("createStream", None)
        + command("publish", None, key, "live", stream=1)
    )


AVC_HEADER = b"\x17\x00\x00\x00\x00\x01\x64\x00\x0a\xff\xe1\x00\x00\x01\x00\x00"


def picture(at: int, *, key: bool = False, size: int = 20) -> bytes:
    """A picture that is none, at so many milliseconds."""
    body = bytes((0x17 if key else 0x27, 1, 0, 0, 0)) + bytes(size)
    return chunk(9, body, stream=1, at=at, number=6)
