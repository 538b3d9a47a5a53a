"""Reaches a target by SRT: tags become MPEG-TS by one ffmpeg that copies, which libsrt sends."""

import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec

from services.live.flv.tags import FILE_HEADER, SCRIPT, VIDEO, Codec, Tag, content, encode
from services.live.packaging.child import Program
from services.live.simulcast.access import Access
from services.live.simulcast.connection import TargetFailed
from services.live.simulcast.dialing import NO_ANSWER, Dialer
from services.live.simulcast.targets import Place
from services.live.srt.caller import Caller
from services.live.srt.calls import SrtError
from services.live.srt.library import Call, CallRefused, Library
from shared.programs.piped import PipedProgram, ProgramEnded
from shared.telemetry import get_logger

_log = get_logger(__name__)

# How long SRT sends lost packets again; a target may ask for more.
_LATENCY_MS: Final = 500
_READ_BYTES: Final = 1 << 16
_PACKET: Final = 188
_LOST: Final = "The connection was lost."
_NOT_SENT: Final = "The stream cannot be sent as MPEG-TS."
_REFUSED: Final = "It refused the stream."
# enum SRT_REJECT_REASON
_WRONG_PASSPHRASE, _ENCRYPTED_OR_NOT, _TIMED_OUT = 10, 11, 16
# 1000 and an HTTP status, or nearly: SRT's access control, "rejection codes".
_OWN_WORDS: Final = {
    1400: "It refused the stream id.",
    1401: "It refused the stream: the stream id is unknown.",
    1402: "It refused the stream: it is overloaded, or a limit is reached.",
    1403: "It refused the stream: forbidden.",
    1404: "It refused the stream: there is no such stream.",
    1405: "It refused the stream: it does not receive.",
    1409: "It refused the stream: another one is there already.",
    1423: "It refused the stream: it is locked.",
    1503: "It refused the stream: it is not available now.",
}


class Srt(msgspec.Struct, frozen=True):
    """libsrt, and the ffmpeg that makes MPEG-TS."""

    library: Library
    program: Program


class SrtTransport:
    """All words about it are our own: none repeats a secret."""

    secrets: Sequence[str] = ()

    def __init__(self, dialer: Dialer, place: Place, access: Access, srt: Srt) -> None:
        self._dialer = dialer
        self._place = place
        self._access = access
        self._srt = srt

    async def connect(self) -> "SrtConnection":
        """Raises TargetFailed, OSError."""
        address = await self._dialer.resolve(self._place)
        async with AsyncExitStack() as stack:
            caller = await self._call(address)
            stack.push_async_callback(caller.close)
            program = await _start(self._srt.program, stack)
            return SrtConnection(caller, program, stack.pop_all())

    async def _call(self, address: str) -> Caller:
        passphrase = self._access.passphrase
        call = Call(self._access.stream_id, passphrase, _LATENCY_MS)
        try:
            return await Caller.connect(self._srt.library, address, self._place.port, call)
        except CallRefused as error:
            raise TargetFailed(refusal(error.code, encrypted=passphrase is not None)) from None
        except SrtError as error:
            _log.warning("simulcast cannot call", reason=str(error))
            raise TargetFailed("It does not accept connections.") from None


class SrtConnection:
    """A target that takes tags. Made by ``SrtTransport.connect``."""

    def __init__(self, caller: Caller, program: PipedProgram, stack: AsyncExitStack) -> None:
        self._caller = caller
        self._program = program
        self._stack = stack
        self._first: int | None = None
        self._codec: Codec | None = None
        self._lost: TargetFailed | None = None

    async def send(self, tag: Tag) -> None:
        """Waits while the target is slow. Raises TargetFailed."""
        if tag.kind == SCRIPT:
            return
        if tag.kind == VIDEO:
            self._check(tag)
        if self._first is None:
            self._first = tag.milliseconds
        at = max(0, tag.milliseconds - self._first)
        try:
            await self._program.write(encode(Tag(tag.kind, at, tag.body)))
        except ProgramEnded:
            raise self._lost or TargetFailed(_NOT_SENT) from None

    async def watch(self) -> None:
        """Send what ffmpeg makes, until either ends, which raises TargetFailed."""
        held = b""
        try:
            while data := await self._program.outputs[0].read(_READ_BYTES):
                held += data
                whole = len(held) - len(held) % _PACKET
                await self._caller.send(held[:whole])
                held = held[whole:]
        except SrtError:
            self._lost = TargetFailed(_LOST)
        # Whoever writes into it waits no longer.
        await self._program.stop()
        if self._lost is None:
            _log.warning("simulcast has no MPEG-TS", reason=self._program.said)
        raise self._lost or TargetFailed(_NOT_SENT)

    async def close(self) -> None:
        """End ffmpeg and the connection."""
        await self._stack.aclose()

    def _check(self, tag: Tag) -> None:
        """ffmpeg makes a stream of the codec that it began with."""
        inside = content(tag)
        if inside is None:
            return
        if inside.codec == "av1":
            raise TargetFailed("MPEG-TS has no AV1: send H.264 or HEVC.")
        if self._codec not in (None, inside.codec):
            raise TargetFailed("The codec of the picture has changed.")
        self._codec = inside.codec


def refusal(code: int, *, encrypted: bool) -> str:
    """What a refusal means. ``encrypted``: whether it was called with a passphrase."""
    if code == _WRONG_PASSPHRASE:
        return "The passphrase is wrong."
    if code == _ENCRYPTED_OR_NOT:
        return "It takes no passphrase." if encrypted else "It wants a passphrase."
    if code == _TIMED_OUT:
        return NO_ANSWER
    return _OWN_WORDS.get(code, _REFUSED)


async def _start(program: Program, stack: AsyncExitStack) -> PipedProgram:
    folder = stack.enter_context(tempfile.TemporaryDirectory(dir=program.folder))
    running = await PipedProgram.start(
        lambda pipes: _command(program.ffmpeg, pipes[0]), 1, Path(folder), program.limits
    )
    stack.callback(running.close)
    stack.push_async_callback(running.stop)
    try:
        await running.write(FILE_HEADER)
    except ProgramEnded:
        raise TargetFailed(_NOT_SENT) from None
    return running


def _command(ffmpeg: str, pipe: int) -> list[str]:
    """The first picture and the first sound, as they are. Sound that pauses holds up nothing."""
    return [
        *(ffmpeg, "-hide_banner", "-nostdin", "-v", "error"),
        *("-probesize", "1000000", "-analyzeduration", "500000", "-f", "live_flv", "-i", "pipe:0"),
        *("-map", "0:v:0", "-map", "0:a:0?", "-c", "copy"),
        *("-max_interleave_delta", "500000", "-flush_packets", "1"),
        *("-f", "mpegts", f"pipe:{pipe}"),
    ]
