"""Reaches a target by RTMP or RTMPS."""

import asyncio
import contextlib
from typing import Final

from services.live.flv.tags import Tag
from services.live.simulcast.dialing import Dialer
from services.live.simulcast.outgoing import Answers, Outgoing
from services.live.simulcast.targets import Place

_ANSWER_SECONDS: Final = 15.0
_FINISH_SECONDS: Final = 1.0


class RtmpTransport:
    """``key``: the target's stream key."""

    def __init__(self, dialer: Dialer, place: Place, key: str) -> None:
        self._dialer = dialer
        self._place = place
        self._key = key
        self.secrets: Final = (key,)

    async def connect(self) -> "RtmpConnection":
        """Raises TargetFailed, OSError, EOFError, TimeoutError."""
        reader, writer = await self._dialer.dial(self._place)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                outgoing, answers = await Outgoing.publish(reader, writer, self._place, self._key)
        except BaseException:
            await _hang_up(writer)
            raise
        return RtmpConnection(writer, outgoing, answers, self._key)


class RtmpConnection:
    """A target that takes tags."""

    def __init__(
        self, writer: asyncio.StreamWriter, outgoing: Outgoing, answers: Answers, key: str
    ) -> None:
        self._writer = writer
        self._outgoing = outgoing
        self._answers = answers
        self._key = key

    async def send(self, tag: Tag) -> None:
        """Waits while the target is slow. Raises OSError."""
        await self._outgoing.send(tag)

    async def watch(self) -> None:
        """Read what the target says, until it ends the stream, which raises TargetFailed."""
        await self._answers.watch()

    async def close(self) -> None:
        """Say good-bye where that takes no time."""
        with contextlib.suppress(Exception):
            self._outgoing.finish(self._key)
        await _hang_up(self._writer)


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(Exception):
        writer.close()
        async with asyncio.timeout(_FINISH_SECONDS):
            await writer.wait_closed()
    if not writer.transport.is_closing() or writer.transport.get_write_buffer_size():
        writer.transport.abort()
