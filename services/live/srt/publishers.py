"""Publishers by SRT: who is let in, and MPEG-TS that becomes tags by one ffmpeg that copies."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from services.live.flv.sink import Admission, Sink, Stopped
from services.live.flv.tags import FILE_HEADER, NotPlayable, Tag
from services.live.packaging.child import Program
from services.live.ports import Credential, Publisher, Refused
from services.live.srt.listener import Connection
from services.live.srt.listening import Admitted, Rejected
from services.live.srt.logins import Claim
from shared.caller_identity import identity_of
from shared.programs.piped import PipedProgram, ProgramEnded
from shared.token_bucket import MICROS, Bucket, LocalBuckets

_PROTOCOL: Final = "srt"
# 1000 and an HTTP status: SRT's access control, "rejection codes".
_TOO_MANY: Final = Rejected(1429)
_FAR_TOO_MANY: Final = Rejected(1429, insists=True)
_REJECTIONS: Final = {
    "unknown_key": 1401,
    "disabled": 1403,
    "already_live": 1409,
    "too_many": 1402,
    "full": 1402,
    "busy": 1402,
    "unavailable": 1503,
}
# Seconds for which a refusal is given again, in the handshake.
_UNKNOWN_SECONDS: Final = 60.0
_OTHERWISE_SECONDS: Final = 3.0
_MAX_REFUSALS: Final = 10_000
# Handshakes of one address, behind which there may be several publishers, and of all.
PER_ADDRESS: Final = Bucket(1 * MICROS, 20)
PER_PROCESS: Final = Bucket(MICROS // 10, 50)
# Refusals of one address that are answered.
REFUSALS: Final = Bucket(MICROS // 10, 100)
_MAX_ADDRESSES: Final = 10_000
# How long ffmpeg may make no tag of what arrives.
_NOTHING_SECONDS: Final = 30.0
# A key picture of the highest rate that is accepted.
_MAX_TAG_BYTES: Final = 16 << 20
_TAG_HEADER: Final = 11
_PREVIOUS_SIZE: Final = 4


class SrtPublishers:
    """``claimed``: what a stream id opens, and for whom. ``clock``: steady, in seconds."""

    def __init__(
        self,
        admission: Admission,
        program: Program,
        claimed: Callable[[str], Claim | Rejected],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._admission = admission
        self._program = program
        self._claimed = claimed
        self._clock = clock
        self._handshakes = LocalBuckets(clock, _MAX_ADDRESSES)
        self._answered = LocalBuckets(clock, _MAX_ADDRESSES)
        self._refusals: dict[Credential, tuple[int, float]] = {}

    def admit(self, stream_id: str, address: str) -> Admitted | Rejected:
        """Decide in the handshake, in libsrt's thread: all publishers' packets wait for it.

        Whether there is such a stream is looked up after the handshake. A publisher that was
        refused then and tries again, as programs do, is told why here. What libsrt does next costs
        some milliseconds, and for seconds some 350 KB, also where the passphrase is wrong.
        """
        name = identity_of(address).encode()
        if not self._handshakes.take_all({name: PER_ADDRESS, b"all": PER_PROCESS}).allowed:
            return _TOO_MANY if self._answered.take(name, REFUSALS).allowed else _FAR_TOO_MANY
        claim = self._claimed(stream_id)
        if isinstance(claim, Rejected):
            return claim
        code, until = self._refusals.get(claim.credential, (0, 0.0))
        return Rejected(code) if self._clock() < until else Admitted(claim.passphrase)

    async def serve(self, connection: Connection) -> None:
        """Pass on what one publisher sends, until it goes."""
        claim = self._claimed(connection.stream_id)
        if isinstance(claim, Rejected):
            return
        address = identity_of(connection.place[0])
        publisher = Publisher(protocol=_PROTOCOL, address=address)
        try:
            sink = await self._admission.admit(claim.credential, publisher)
        except Refused as refused:
            self._remember(claim.credential, refused.code)
            return
        reason = "the server is going down"
        try:
            await self._pass_on(connection, sink)
            reason = connection.failure or "the publisher has gone"
        except (NotPlayable, Stopped, ProgramEnded) as error:
            reason = str(error)
        finally:
            await sink.close(reason, clean=False)

    def _remember(self, credential: Credential, code: str) -> None:
        if len(self._refusals) >= _MAX_REFUSALS:
            self._refusals.clear()
        seconds = _UNKNOWN_SECONDS if code == "unknown_key" else _OTHERWISE_SECONDS
        self._refusals[credential] = _REJECTIONS.get(code, 1500), self._clock() + seconds

    async def _pass_on(self, connection: Connection, sink: Sink) -> None:
        """Raises NotPlayable, Stopped, ProgramEnded."""
        with tempfile.TemporaryDirectory(dir=self._program.folder) as folder:
            program = await PipedProgram.start(
                lambda pipes: _command(self._program.ffmpeg, pipes[0]),
                1,
                Path(folder),
                self._program.limits,
            )
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_feed(connection, program))
                    await _take_all(program.outputs[0], sink)
                    connection.close()
            except* (NotPlayable, Stopped, ProgramEnded) as errors:
                raise errors.exceptions[0] from None
            finally:
                await program.stop()


async def _take_all(output: asyncio.StreamReader, sink: Sink) -> None:
    """Raises NotPlayable, Stopped."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_NOTHING_SECONDS) as nothing:
            async for tag in read_tags(output):
                nothing.reschedule(None)
                await sink.take(tag)
                nothing.reschedule(loop.time() + _NOTHING_SECONDS)
    except TimeoutError:
        raise NotPlayable("nothing came that can be played") from None


async def _feed(connection: Connection, program: PipedProgram) -> None:
    while data := await connection.read():
        await program.write(data)
    program.finish()


async def read_tags(stream: asyncio.StreamReader) -> AsyncIterator[Tag]:
    """The tags of an FLV file as it is written. Raises NotPlayable where one is too large."""
    try:
        await stream.readexactly(len(FILE_HEADER))
        while True:
            head = await stream.readexactly(_TAG_HEADER)
            size = int.from_bytes(head[1:4], "big")
            if size > _MAX_TAG_BYTES:
                raise NotPlayable("a picture is too large")
            body = await stream.readexactly(size)
            await stream.readexactly(_PREVIOUS_SIZE)
            yield Tag(head[0], int.from_bytes(head[4:7], "big") | head[7] << 24, body)
    except asyncio.IncompleteReadError:
        return


def _command(ffmpeg: str, pipe: int) -> list[str]:
    """The first picture and the first sound, as they are."""
    return [
        *(ffmpeg, "-hide_banner", "-nostdin", "-v", "error"),
        *("-probesize", "1000000", "-analyzeduration", "1000000", "-f", "mpegts", "-i", "pipe:0"),
        *("-map", "0:v:0", "-map", "0:a:0?", "-c", "copy", "-flush_packets", "1"),
        *("-f", "flv", "-flvflags", "no_duration_filesize", f"pipe:{pipe}"),
    ]
