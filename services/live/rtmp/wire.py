"""The wire format of RTMP (Adobe RTMP 1.0, sections 5 and 6), without I/O.

Bytes come in, whole messages go out. All sizes are bounded, whatever the publisher states.
"""

import os
from collections.abc import Callable
from typing import Final

import msgspec

# Kinds of messages.
SET_CHUNK_SIZE, ABORT, ACKNOWLEDGEMENT, USER_CONTROL = 1, 2, 3, 4
WINDOW_SIZE, PEER_BANDWIDTH = 5, 6
AUDIO, VIDEO = 8, 9
DATA_AMF3, COMMAND_AMF3, DATA, COMMAND, AGGREGATE = 15, 17, 18, 20, 22

# One picture: 4 MiB is a key picture of 4K at very high rates.
_MAX_MEDIA_BYTES: Final = 4 << 20
_MAX_COMMAND_BYTES: Final = 64 << 10
# Of unfinished messages over all chunk streams.
_MAX_HELD_BYTES: Final = 8 << 20
_MAX_CHUNK_STREAMS: Final = 32
_MAX_CHUNK_BYTES: Final = 16 << 20
_MAX_TAGS: Final = 1000
_CHUNK_BYTES_OUT: Final = 4096
LEAST_CHUNK_BYTES: Final = 128

_VERSION: Final = 3
_RANDOM_BYTES: Final = 1528
_HANDSHAKE_BYTES: Final = 1536
_EXTENDED: Final = 0xFFFFFF


class ProtocolError(Exception):
    """The publisher broke the protocol or a limit; the text is for the log."""


class Message(msgspec.Struct, frozen=True):
    """A whole message: its kind, milliseconds modulo 2³², message stream and body."""

    kind: int
    milliseconds: int
    stream: int
    body: bytes


class _Header(msgspec.Struct, frozen=True):
    """What later chunks of a chunk stream leave out because it stays."""

    milliseconds: int = 0
    delta: int = 0
    length: int = 0
    kind: int = 0
    stream: int = 0
    extended: bool = False


class Parser:
    """Reads one connection. ``reply`` is called with the server's side of the handshake.

    ``chunks`` were read so far, and ``pieces``: messages, and chunks that are smaller than any that
    programs send.
    """

    def __init__(self, reply: Callable[[bytes], None]) -> None:
        self._reply = reply
        self._buffer = bytearray()
        self._chunk_bytes = LEAST_CHUNK_BYTES
        self._headers: dict[int, _Header] = {}
        self._bodies: dict[int, bytearray] = {}
        self._held = 0
        self._answered = False
        self.greeted = False
        self.received = self.chunks = self.pieces = 0
        # Whether ``messages`` has stopped at its limit, so that more can be read right away.
        self.more = False

    def receive(self, data: bytes) -> None:
        """Keep what has arrived."""
        self.received += len(data)
        self._buffer += data

    def messages(self, max_chunks: int) -> list[Message]:
        """The messages that are complete, from so many chunks at most. Raises ProtocolError.

        The limit is for chunks of a byte: each costs as much time as one of 4 KiB.
        """
        found: list[Message] = []
        at = 0 if self.greeted else self._handshake()
        chunks = 0
        while self.greeted and chunks < max_chunks:
            end = self._chunk(at, found)
            if end == at:
                break
            at = end
            chunks += 1
        self.chunks += chunks
        self.more = chunks == max_chunks
        del self._buffer[:at]
        return found

    def _handshake(self) -> int:
        """Answer once the client's part is whole; the end of what is done with."""
        at = 0
        if not self._answered:
            if self._buffer and self._buffer[0] != _VERSION:
                raise ProtocolError(f"no RTMP: {bytes(self._buffer[:8])!r}")
            at = 1 + _HANDSHAKE_BYTES
            if len(self._buffer) < at:
                return 0
            # A version of zero asks for the simple handshake: a digest in C1 is not checked.
            greeting = bytes((_VERSION,)) + bytes(8) + os.urandom(_RANDOM_BYTES)
            self._reply(greeting + bytes(self._buffer[1:at]))
            self._answered = True
        if len(self._buffer) < at + _HANDSHAKE_BYTES:
            return at
        self.greeted = True
        return at + _HANDSHAKE_BYTES

    def _chunk(self, at: int, found: list[Message]) -> int:
        """Read the chunk at ``at``; its end, or ``at`` while it has not all arrived.

        Nothing changes before all of it is there.
        """
        read = self._chunk_header(at)
        if read is None:
            return at
        form, number, header, body_at = read
        part = self._bodies.get(number)
        if part is not None and form != 3:
            # A new header drops an unfinished message.
            self._held -= len(part)
            del self._bodies[number]
            part = None
        have = len(part) if part is not None else 0
        size = min(self._chunk_bytes, header.length - have)
        end = body_at + size
        if end > len(self._buffer):
            return at
        self._headers[number] = header
        if part is None and size == header.length:
            # A whole message in one chunk, the usual case.
            self._message(header, bytes(self._buffer[body_at:end]), found)
            return end
        if part is None:
            part = self._bodies[number] = bytearray()
        part += self._buffer[body_at:end]
        self._held += size
        self.pieces += size < LEAST_CHUNK_BYTES
        if self._held > _MAX_HELD_BYTES:
            raise ProtocolError("too many unfinished messages")
        if len(part) == header.length:
            del self._bodies[number]
            self._held -= header.length
            self._message(header, bytes(part), found)
        return end

    def _chunk_header(self, at: int) -> tuple[int, int, _Header, int] | None:
        """Its form, chunk stream and full header, and where its body begins."""
        buffer, size = self._buffer, len(self._buffer)
        if at >= size:
            return None
        form, number = buffer[at] >> 6, buffer[at] & 63
        at += 1
        if number < 2:
            more = number + 1
            if at + more > size:
                return None
            number = 64 + buffer[at] + (buffer[at + 1] << 8 if more == 2 else 0)
            at += more
        known = self._headers.get(number)
        if known is None:
            # librtmp begins with form 1.
            if form > 1 or (form == 1 and self._headers):
                raise ProtocolError("a chunk stream begins without a header")
            if len(self._headers) >= _MAX_CHUNK_STREAMS:
                raise ProtocolError("too many chunk streams")
            known = _Header()
        read = self._same(number, known, at) if form == 3 else self._changed(form, known, at)
        return None if read is None else (form, number, *read)

    def _same(self, number: int, known: _Header, at: int) -> tuple[_Header, int] | None:
        """The header of a chunk that repeats all of the one before it."""
        going_on = number in self._bodies
        if known.extended:
            if at + 4 > len(self._buffer):
                return None
            value = int.from_bytes(self._buffer[at : at + 4], "big")
            # Some publishers leave the extended time out of a message's later chunks.
            expected = known.delta or known.milliseconds
            if not going_on or value in (expected, known.milliseconds):
                at += 4
        if going_on:
            return known, at
        now = (known.milliseconds + known.delta) & 0xFFFFFFFF
        return msgspec.structs.replace(known, milliseconds=now), at

    def _changed(self, form: int, known: _Header, at: int) -> tuple[_Header, int] | None:
        """The header of a chunk that begins a message; form 0 has all fields, 2 only the time."""
        buffer, size = self._buffer, len(self._buffer)
        width = (11, 7, 3)[form]
        if at + width > size:
            return None
        value = int.from_bytes(buffer[at : at + 3], "big")
        length, kind, stream = known.length, known.kind, known.stream
        if form < 2:
            length = int.from_bytes(buffer[at + 3 : at + 6], "big")
            kind = buffer[at + 6]
        if form == 0:
            stream = int.from_bytes(buffer[at + 7 : at + 11], "little")
        at += width
        extended = value == _EXTENDED
        if extended:
            if at + 4 > size:
                return None
            value = int.from_bytes(buffer[at : at + 4], "big")
            at += 4
        media = kind in (AUDIO, VIDEO, AGGREGATE)
        if length > (_MAX_MEDIA_BYTES if media else _MAX_COMMAND_BYTES):
            raise ProtocolError(f"a message of {length} bytes, kind {kind}")
        if form == 0:
            return _Header(value, 0, length, kind, stream, extended), at
        now = (known.milliseconds + value) & 0xFFFFFFFF
        return _Header(now, value, length, kind, stream, extended), at

    def _message(self, header: _Header, body: bytes, found: list[Message]) -> None:
        self.pieces += 1
        if header.kind == SET_CHUNK_SIZE:
            size = int.from_bytes(body[:4], "big")
            if len(body) < 4 or not 1 <= size <= _MAX_CHUNK_BYTES:
                raise ProtocolError(f"chunks of {size} bytes")
            self._chunk_bytes = size
        elif header.kind == ABORT:
            dropped = self._bodies.pop(int.from_bytes(body[:4], "big"), None)
            self._held -= len(dropped or b"")
        elif header.kind == AGGREGATE:
            parts = _parts(header, body)
            self.pieces += len(parts)
            found += parts
        elif body:
            found.append(Message(header.kind, header.milliseconds, header.stream, body))


def _parts(header: _Header, body: bytes) -> list[Message]:
    """The FLV tags in an aggregate message; their times count from the first one's."""
    found: list[Message] = []
    at = tags = 0
    first: int | None = None
    while at + 11 <= len(body):
        tags += 1
        if tags > _MAX_TAGS:
            raise ProtocolError("too many tags in one message")
        size = int.from_bytes(body[at + 1 : at + 4], "big")
        time = int.from_bytes(body[at + 4 : at + 7], "big") | body[at + 7] << 24
        first = time if first is None else first
        inner = body[at + 11 : at + 11 + size]
        if inner and len(inner) == size:
            now = (header.milliseconds + time - first) & 0xFFFFFFFF
            found.append(Message(body[at], now, header.stream, inner))
        at += 11 + size + 4
    return found


def message(chunk_stream: int, kind: int, stream: int, body: bytes) -> bytes:
    """A message of the server in chunks of 4 KiB, which ``set_chunk_size`` has announced."""
    out = [
        bytes((chunk_stream, 0, 0, 0)),
        len(body).to_bytes(3, "big"),
        bytes((kind,)),
        stream.to_bytes(4, "little"),
        body[:_CHUNK_BYTES_OUT],
    ]
    for at in range(_CHUNK_BYTES_OUT, len(body), _CHUNK_BYTES_OUT):
        out += (bytes((0xC0 | chunk_stream,)), body[at : at + _CHUNK_BYTES_OUT])
    return b"".join(out)


def control(kind: int, *numbers: bytes) -> bytes:
    """A control message: always chunk stream 2 and message stream 0."""
    return message(2, kind, 0, b"".join(numbers))


def set_chunk_size() -> bytes:
    """Announces the size of this server's chunks."""
    return control(SET_CHUNK_SIZE, _CHUNK_BYTES_OUT.to_bytes(4, "big"))
