"""What the server says to a publisher, as bytes. Pure."""

from typing import Any, Final

from services.live.flv import amf0
from services.live.rtmp import wire

# Publishers acknowledge, and are asked to acknowledge, that often at least.
WINDOW_BYTES: Final = 2_500_000
# A publisher may wait for acknowledgements of less, but not of this little.
LEAST_WINDOW_BYTES: Final = 100_000

_FOURCCS: Final = ["avc1", "hvc1", "av01", "mp4a", "Opus", ".mp3"]
_STREAM_BEGIN: Final = b"\0\0"
_DYNAMIC: Final = b"\2"


def connected(transaction: float) -> bytes:
    """The answer to ``connect``, with the settings that go before it."""
    window = WINDOW_BYTES.to_bytes(4, "big")
    return b"".join(
        (
            wire.control(wire.WINDOW_SIZE, window),
            wire.control(wire.PEER_BANDWIDTH, window, _DYNAMIC),
            wire.set_chunk_size(),
            _command(
                "_result",
                transaction,
                {"fmsVer": "FMS/3,0,1,123", "capabilities": 31, "fourCcList": _FOURCCS},
                {
                    "level": "status",
                    "code": "NetConnection.Connect.Success",
                    "description": "connected",
                    "objectEncoding": 0,
                },
            ),
        )
    )


def wrong_application(transaction: float, text: str) -> bytes:
    """The answer to ``connect`` with an address of another service."""
    return _command(
        "_error",
        transaction,
        None,
        {"level": "error", "code": "NetConnection.Connect.InvalidApp", "description": text},
    )


def stream_created(transaction: float, stream: int) -> bytes:
    """The answer to ``createStream``."""
    return _command("_result", transaction, None, stream)


def publishing(stream: int) -> bytes:
    """The answer to ``publish``."""
    begin = wire.control(wire.USER_CONTROL, _STREAM_BEGIN, stream.to_bytes(4, "big"))
    return begin + status(stream, "status", "NetStream.Publish.Start", "publishing")


def refused(stream: int, text: str) -> bytes:
    """The answer to ``publish`` that OBS shows in its dialog about the stream key."""
    return status(stream, "error", "NetStream.Publish.BadName", text)


def play_refused(stream: int) -> bytes:
    """The answer to ``play``."""
    return status(stream, "error", "NetStream.Play.Failed", "this address only receives")


def stopped(stream: int, text: str) -> bytes:
    """Tells a publisher that the server ends the stream; OBS and ffmpeg connect again."""
    return status(stream, "status", "NetStream.Unpublish.Success", text)


def acknowledgement(received: int) -> bytes:
    """Tells a publisher how many bytes have arrived."""
    return wire.control(wire.ACKNOWLEDGEMENT, (received & 0xFFFFFFFF).to_bytes(4, "big"))


def status(stream: int, level: str, code: str, text: str) -> bytes:
    """An ``onStatus`` of a message stream."""
    information = {"level": level, "code": code, "description": text}
    return wire.message(5, wire.COMMAND, stream, amf0.write("onStatus", 0, None, information))


def _command(name: str, transaction: float, *values: Any) -> bytes:
    return wire.message(3, wire.COMMAND, 0, amf0.write(name, transaction, *values))
