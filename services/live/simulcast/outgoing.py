"""An RTMP publisher: this server's side of a connection to a target.

Only what publishing needs (Adobe RTMP 1.0, sections 5 to 7). Whatever the target states is bounded
by the parser that reads publishers, too.
"""

import asyncio
import os
from typing import Any, Final, Self

from services.live.flv import amf0
from services.live.flv.tags import AUDIO, SCRIPT, Tag
from services.live.rtmp import wire
from services.live.rtmp.wire import Message, Parser, ProtocolError
from services.live.simulcast.connection import TargetFailed
from services.live.simulcast.targets import Place

_HANDSHAKE: Final = 1536
_CHUNK: Final = 4096
_EXTENDED: Final = 0xFFFFFF
_READ_BYTES: Final = 1 << 16
_MAX_CHUNKS: Final = 2000
# Messages that a target may send before it has answered a command.
_MAX_MESSAGES: Final = 200
_PING, _PONG = 6, 7
_COMMAND_CHUNKS, _SOUND_CHUNKS, _PICTURE_CHUNKS, _DATA_CHUNKS = 3, 4, 6, 5
_SOFTWARE: Final = "FMLE/3.0 (compatible; Cinelog)"
_KINDS: Final = {AUDIO: wire.AUDIO, SCRIPT: wire.DATA}
_CHUNK_STREAMS: Final = {AUDIO: _SOUND_CHUNKS, SCRIPT: _DATA_CHUNKS}
_SET_DATA_FRAME: Final = b"\2\0\r@setDataFrame"


class Outgoing:
    """A connection that publishes. Made by ``publish``."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: int
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._stream = stream
        self._first: int | None = None

    @classmethod
    async def publish(
        cls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: Place, key: str
    ) -> tuple[Self, "Answers"]:
        """Say what is needed until the target takes tags. Raises TargetFailed, OSError."""
        greeting = os.urandom(_HANDSHAKE - 8)
        writer.write(b"\3" + bytes(8) + greeting)
        answer = await reader.readexactly(1 + 2 * _HANDSHAKE)
        if answer[0] != 3:
            raise TargetFailed("There is no RTMP server at this address.")
        writer.write(answer[1 : 1 + _HANDSHAKE])
        answers = Answers(reader, writer)
        writer.write(wire.set_chunk_size())
        writer.write(_command(0, "connect", 1, _connection(place)))
        await answers.result(1)
        writer.write(_command(0, "releaseStream", 2, None, key))
        writer.write(_command(0, "FCPublish", 3, None, key))
        writer.write(_command(0, "createStream", 4, None))
        made = await answers.result(4)
        stream = int(made[-1]) if made and isinstance(made[-1], float) else 1
        writer.write(_command(stream, "publish", 5, None, key, "live"))
        await answers.published()
        return cls(reader, writer, stream), answers

    async def send(self, tag: Tag) -> None:
        """Waits while the target is slow. Raises OSError."""
        if self._first is None:
            self._first = tag.milliseconds
        at = max(0, tag.milliseconds - self._first)
        body = _SET_DATA_FRAME + tag.body if tag.kind == SCRIPT else tag.body
        kind = _KINDS.get(tag.kind, wire.VIDEO)
        number = _CHUNK_STREAMS.get(tag.kind, _PICTURE_CHUNKS)
        self._writer.write(media(number, kind, self._stream, at, body))
        await self._writer.drain()

    def finish(self, key: str) -> None:
        """Say that nothing follows."""
        self._writer.write(_command(0, "FCUnpublish", 6, None, key))
        self._writer.write(_command(0, "deleteStream", 7, None, self._stream))


class Answers:
    """What the target says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._parser = Parser(lambda _: None)
        # The handshake is behind it.
        self._parser.greeted = True
        self._window = 0
        self._acknowledged = 0

    async def result(self, number: int) -> list[Any]:
        """The values of a command's answer. Raises TargetFailed."""
        for _ in range(_MAX_MESSAGES):
            for values in await self._commands():
                if values[0] in ("_result", "_error") and values[1:2] == [float(number)]:
                    if values[0] == "_error":
                        raise _failure(values)
                    return values[2:]
                self._check(values)
        raise TargetFailed("It does not answer as an RTMP server does.")

    async def published(self) -> None:
        """Return once it takes tags. Raises TargetFailed."""
        for _ in range(_MAX_MESSAGES):
            for values in await self._commands():
                self._check(values)
                if values[0] == "onStatus" and "Publish.Start" in _code(values):
                    return
        raise TargetFailed("It does not answer as an RTMP server does.")

    async def watch(self) -> None:
        """Read until it ends the stream, which raises TargetFailed."""
        while True:
            for values in await self._commands():
                self._check(values)

    def _check(self, values: list[Any]) -> None:
        if values[0] == "onStatus" and (
            _status(values).get("level") == "error" or "Unpublish" in _code(values)
        ):
            raise _failure(values)
        if values[0] == "close":
            raise TargetFailed("It closed the connection.")

    async def _commands(self) -> list[list[Any]]:
        data = await self._reader.read(_READ_BYTES)
        if not data:
            raise TargetFailed("It closed the connection.")
        self._parser.receive(data)
        found: list[list[Any]] = []
        try:
            while True:
                for message in self._parser.messages(_MAX_CHUNKS):
                    values = self._handle(message)
                    if values and isinstance(values[0], str):
                        found.append(values)
                if not self._parser.more:
                    break
        except (ProtocolError, amf0.MalformedAmf):
            raise TargetFailed("It does not answer as an RTMP server does.") from None
        self._acknowledge()
        return found

    def _handle(self, message: Message) -> list[Any]:
        body = message.body
        if message.kind == wire.WINDOW_SIZE and len(body) >= 4:
            self._window = int.from_bytes(body[:4], "big")
        elif message.kind == wire.USER_CONTROL and int.from_bytes(body[:2], "big") == _PING:
            self._writer.write(wire.control(wire.USER_CONTROL, b"\0\7", body[2:6]))
        elif message.kind in (wire.COMMAND, wire.COMMAND_AMF3):
            at = 1 if message.kind == wire.COMMAND_AMF3 and body[:1] == b"\0" else 0
            return amf0.read(body[at:])
        return []

    def _acknowledge(self) -> None:
        received = self._parser.received
        if self._window and received - self._acknowledged > self._window // 2:
            self._acknowledged = received
            count = (received & 0xFFFFFFFF).to_bytes(4, "big")
            self._writer.write(wire.control(wire.ACKNOWLEDGEMENT, count))


def media(number: int, kind: int, stream: int, at: int, body: bytes) -> bytes:
    """A message with a time, in chunks of 4 KiB. A time above 2²⁴ stands in each chunk."""
    at &= 0xFFFFFFFF
    extended = at.to_bytes(4, "big") if at >= _EXTENDED else b""
    out = [
        bytes((number,)),
        min(at, _EXTENDED).to_bytes(3, "big"),
        len(body).to_bytes(3, "big"),
        bytes((kind,)),
        stream.to_bytes(4, "little"),
        extended,
        body[:_CHUNK],
    ]
    for begin in range(_CHUNK, len(body), _CHUNK):
        out += (bytes((0xC0 | number,)), extended, body[begin : begin + _CHUNK])
    return b"".join(out)


def _connection(place: Place) -> dict[str, Any]:
    return {
        "app": place.application,
        "type": "nonprivate",
        "flashVer": _SOFTWARE,
        "tcUrl": place.url,
    }


def _command(stream: int, name: str, number: int, *values: Any) -> bytes:
    return wire.message(_COMMAND_CHUNKS, wire.COMMAND, stream, amf0.write(name, number, *values))


def _status(values: list[Any]) -> dict[str, Any]:
    return next((value for value in reversed(values) if isinstance(value, dict)), {})


def _code(values: list[Any]) -> str:
    return str(_status(values).get("code", ""))


def _failure(values: list[Any]) -> TargetFailed:
    """In the target's words. A redirection is not followed: its address was not checked."""
    status = _status(values)
    said = str(status.get("description") or status.get("code") or "without a reason")
    return TargetFailed(f"It refused the stream: {said}")
