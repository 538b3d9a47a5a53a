"""One publisher's connection: its commands, and its tags on their way to the sink.

It is no asyncio stream, because ``StreamReader`` raises the error of a reset connection before it
hands over what it already holds. Publishers often close with acknowledgements unread, which makes
the kernel reset the connection, and the last seconds would be lost. Here everything that has
arrived is handled before the end is looked at.
"""

import asyncio
import fcntl
import sys
import termios
from collections import deque
from typing import Any, Final, Protocol, cast

from services.live.flv import amf0
from services.live.flv.sink import Admission, Sink, Stopped
from services.live.flv.tags import AUDIO, SCRIPT, VIDEO, NotPlayable, Tag
from services.live.ports import Publisher, Refused
from services.live.rtmp import replies, wire
from services.live.rtmp.allowance import Allowance
from services.live.rtmp.wire import Message, Parser, ProtocolError
from shared.caller_identity import identity_of
from shared.contracts import LiveProtocol
from shared.telemetry import get_logger

_log = get_logger(__name__)

APPLICATION: Final = "live"

# Bytes of unread messages at which the socket is not read any more, and a message's own cost.
_QUEUE_BYTES: Final = 4 << 20
_MESSAGE_BYTES: Final = 256
# Chunks that are read in one turn, and the pause before the next one where there are more: all
# connections share one thread, and a chunk may be as small as a byte.
_CHUNKS_A_TURN: Final = 2000
_TURN_SECONDS: Final = 0.04
_MAX_COMMANDS: Final = 500
_MAX_STREAMS: Final = 8
_MAX_KEY: Final = 200
# How long a publisher may take to close by itself, once it has been told why.
_LINGER_SECONDS: Final = 2.0
# A wrapper of onMetaData that files do not have.
_SET_DATA_FRAME: Final = b"\2\0\r@setDataFrame"


class Patience(Protocol):
    """Seconds that a publisher may take for the handshake, for its commands, between two tags."""

    @property
    def handshake(self) -> float: ...
    @property
    def commands(self) -> float: ...
    @property
    def idle(self) -> float: ...


class Door(Admission, Protocol):
    """The server that connections belong to."""

    def accept(self, connection: "Connection") -> bool: ...
    def forget(self, connection: "Connection") -> None: ...


class _Ended(Exception):
    """The connection is to be closed; the text is the reason."""


class Connection(asyncio.Protocol):
    """Reads a publisher until it goes. ``address``: the one whose limits it uses up."""

    def __init__(self, door: Door, patience: Patience) -> None:
        self._door = door
        self._patience = patience
        self._queue: deque[Message] = deque()
        self._queued = 0
        self._wake = asyncio.Event()
        self._ended: str | None = None
        self._paused = False
        self._acknowledged = 0
        self._window = replies.WINDOW_BYTES
        self._application = False
        self._software = ""
        self._allowance = Allowance()
        self._commands = self._streams = 0
        self._stream = 1
        self._asked = False
        self._sink: Sink | None = None
        self._clean = False
        self._said = False
        self.address = ""
        self.closed: asyncio.Task[None] | None = None

    @property
    def publishing(self) -> bool:
        """Whether its tags go to a sink."""
        return self._sink is not None

    # The socket's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        loop = asyncio.get_running_loop()
        # Of a class of its own under uvloop, with the same methods.
        self._transport = cast("asyncio.Transport", transport)
        self._parser = Parser(self._send)
        self._made = self._last_tag = loop.time()
        self._tls = transport.get_extra_info("sslcontext") is not None
        self.address = _network(transport.get_extra_info("peername"))
        if not self._door.accept(self):
            # Without an answer: one costs more than the refusal is worth.
            self._hang_up()
            return
        self.closed = loop.create_task(self._run())
        self.closed.add_done_callback(lambda _: self._door.forget(self))

    def data_received(self, data: bytes) -> None:
        if self._ended is not None or self._said:
            return
        self._parser.receive(data)
        self._parse()

    def eof_received(self) -> None:
        self._end("end of stream")

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(f"connection lost: {type(exc).__name__}" if exc else "connection closed")

    def stop(self, text: str, *, final: bool = False) -> None:
        """Close, and tell the publisher why. ``final``: OBS does not connect again by itself."""
        reply = replies.refused if final else replies.stopped
        self._say(reply(self._stream, text))
        self._end(text)

    def _hang_up(self) -> None:
        """End the connection at once; what it has sent is dropped."""
        self._said = True
        self._transport.abort()

    def _end(self, reason: str) -> None:
        self._ended = self._ended or reason
        self._wake.set()

    def _parse(self) -> None:
        """Queue what is complete. What is left over follows in a later turn."""
        try:
            messages = self._parser.messages(_CHUNKS_A_TURN)
        except ProtocolError as error:
            self._end(str(error))
            return
        now = asyncio.get_running_loop().time()
        parser = self._parser
        refusal = self._allowance.refusal(parser.chunks, parser.pieces, now, asked=self._asked)
        if refusal is not None and self._asked:
            self.stop(refusal)
            return
        if refusal is not None:
            # Nor here: who waits for the answer to be read would read all that follows.
            self._end(refusal)
            self._hang_up()
            return
        for message in messages:
            self._queued += len(message.body) + _MESSAGE_BYTES
        self._queue += messages
        if self._parser.more:
            asyncio.get_running_loop().call_later(_TURN_SECONDS, self._parse)
        self._acknowledge()
        self._pace()
        self._wake.set()

    def _pace(self) -> None:
        """Read the socket only while there is room: TCP's window then slows the publisher down."""
        full = self._queued > (_QUEUE_BYTES // 2 if self._paused else _QUEUE_BYTES)
        wanted = full or self._parser.more
        if wanted == self._paused or self._transport.is_closing():
            return
        self._paused = wanted
        if wanted:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _acknowledge(self) -> None:
        """Acknowledge, but only while nothing more is on its way.

        An acknowledgement that meets a publisher which has closed resets the connection, and its
        kernel drops what it has not sent yet.
        """
        waiting = self._queue or self._parser.more or self._transport.get_write_buffer_size()
        if self._parser.received - self._acknowledged < self._window // 2 or waiting:
            return
        if self._unread():
            return
        self._acknowledged = self._parser.received
        self._send(replies.acknowledgement(self._acknowledged))

    def _unread(self) -> int:
        socket = self._transport.get_extra_info("socket")
        answer = fcntl.ioctl(socket.fileno(), termios.FIONREAD, b"\0\0\0\0")
        return int.from_bytes(answer, sys.byteorder)

    def _send(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def _say(self, data: bytes) -> None:
        """The last that the publisher hears; what it still sends is dropped."""
        self._send(data)
        self._said = True

    # The task's side.

    async def _run(self) -> None:
        reason = "the server fails"
        try:
            await self._handle_all()
        except _Ended as end:
            reason = str(end)
        except (ProtocolError, amf0.MalformedAmf) as error:
            reason = f"not understood: {error}"
        except Refused as error:
            reason = error.code
            self._say(replies.refused(self._stream, error.text))
        except (NotPlayable, Stopped) as error:
            reason = str(error)
            self._say(replies.refused(self._stream, reason))
        except Exception:
            _log.exception("publisher failed", address=self.address)
        finally:
            await self._close(reason)

    async def _close(self, reason: str) -> None:
        sink, self._sink = self._sink, None
        try:
            if sink is not None:
                await sink.close(reason, clean=self._clean)
            if self._said or self._clean:
                await self._linger()
        except Exception:
            _log.exception("sink failed", address=self.address)
        finally:
            self._transport.close()
            # Closing waits until all is sent, for as long as the publisher does not read.
            asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._transport.abort)

    async def _linger(self) -> None:
        """Wait until the publisher has closed: closing first would reset the connection before it
        has read the answer, and GStreamer calls it an error."""
        self._said = True
        if self._paused and not self._transport.is_closing():
            self._transport.resume_reading()
        self._ended = None
        self._wake.clear()
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while self._ended is None and not self._transport.is_closing():
                    await self._wake.wait()
        except TimeoutError:
            pass

    async def _handle_all(self) -> None:
        while True:
            while self._queue:
                message = self._queue.popleft()
                await self._handle(message)
                self._queued -= len(message.body) + _MESSAGE_BYTES
                self._pace()
            if not self._parser.more or self._said:
                if self._ended is not None:
                    raise _Ended(self._ended)
                if self._clean and self._sink is None:
                    raise _Ended("unpublished")
            self._wake.clear()
            try:
                async with asyncio.timeout_at(self._deadline()):
                    await self._wake.wait()
            except TimeoutError:
                raise _Ended("silent" if self._sink is not None else "slow to publish") from None

    def _deadline(self) -> float:
        if self._sink is not None:
            return self._last_tag + self._patience.idle
        allowed = self._patience.handshake
        return self._made + allowed + (self._patience.commands if self._parser.greeted else 0)

    async def _handle(self, message: Message) -> None:
        kind, body = message.kind, message.body
        if kind in (wire.AUDIO, wire.VIDEO):
            await self._take(AUDIO if kind == wire.AUDIO else VIDEO, message.milliseconds, body)
        elif kind in (wire.DATA, wire.DATA_AMF3):
            body = body[1:] if kind == wire.DATA_AMF3 else body
            await self._take(SCRIPT, message.milliseconds, body.removeprefix(_SET_DATA_FRAME))
        elif kind == wire.WINDOW_SIZE and len(body) >= 4:
            asked = int.from_bytes(body[:4], "big")
            self._window = min(max(asked, replies.LEAST_WINDOW_BYTES), replies.WINDOW_BYTES)
        elif kind in (wire.COMMAND, wire.COMMAND_AMF3):
            # An AMF3 command begins with a byte that says that AMF0 follows.
            at = 1 if kind == wire.COMMAND_AMF3 and body[:1] == b"\0" else 0
            await self._command(amf0.read(body[at:]), message.stream)

    async def _take(self, kind: int, milliseconds: int, body: bytes) -> None:
        if self._sink is None or not body:
            return
        await self._sink.take(Tag(kind, milliseconds, body))
        if kind != SCRIPT:
            self._last_tag = asyncio.get_running_loop().time()

    async def _command(self, values: list[Any], stream: int) -> None:
        self._commands += 1
        if self._commands > _MAX_COMMANDS:
            raise ProtocolError("too many commands")
        if not values or not isinstance(values[0], str):
            raise ProtocolError("a command without a name")
        name = values[0]
        number = values[1] if len(values) > 1 and isinstance(values[1], float) else 0.0
        arguments = values[2:]
        if name == "connect":
            self._connect(number, arguments)
        elif not self._application:
            raise ProtocolError("a command before connect")
        elif name == "createStream":
            self._streams += 1
            if self._streams > _MAX_STREAMS:
                raise ProtocolError("too many streams")
            self._send(replies.stream_created(number, self._streams))
        elif name == "publish":
            await self._publish(arguments, stream)
        elif name in ("FCUnpublish", "deleteStream", "closeStream"):
            await self._unpublish(last=name != "FCUnpublish")
        elif name in ("play", "play2"):
            self._say(replies.play_refused(stream or 1))
            raise _Ended("it wanted to play")
        # Of others, such as releaseStream and FCPublish, no publisher needs an answer.

    def _connect(self, number: float, arguments: list[Any]) -> None:
        if self._application or not arguments or not isinstance(arguments[0], dict):
            raise ProtocolError("connect is not understood")
        stated = arguments[0]
        # OBS and ffmpeg may put a query behind the application or the key.
        application = str(stated.get("app", "")).partition("?")[0].strip("/")
        if application != APPLICATION:
            text = f"the server's address ends in /{APPLICATION}"
            self._say(replies.wrong_application(number, text))
            raise _Ended("another application")
        self._application = True
        software = str(stated.get("flashVer", ""))[:100]
        self._software = "".join(c if c.isprintable() else " " for c in software)
        self._send(replies.connected(number))

    async def _publish(self, arguments: list[Any], stream: int) -> None:
        if self._sink is not None or self._clean:
            raise ProtocolError("a second publish")
        key = arguments[1] if len(arguments) > 1 and isinstance(arguments[1], str) else ""
        key = key.partition("?")[0].strip()
        self._stream = stream or 1
        self._asked = True
        if not key or len(key) > _MAX_KEY:
            raise Refused("unknown_key", "no stream has this key")
        protocol: LiveProtocol = "rtmps" if self._tls else "rtmp"
        publisher = Publisher(protocol=protocol, address=self.address, software=self._software)
        self._sink = await self._door.admit(key, publisher)
        self._last_tag = asyncio.get_running_loop().time()
        self._send(replies.publishing(self._stream))

    async def _unpublish(self, *, last: bool) -> None:
        if self._sink is None:
            return
        self._clean = True
        if last:
            sink, self._sink = self._sink, None
            await sink.close("unpublished", clean=True)


def _network(peer: Any) -> str:
    """The address that limits count."""
    return identity_of(str(peer[0])) if isinstance(peer, tuple) else "local"
