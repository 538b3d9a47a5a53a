"""Running lives, from the replica of live that has their window in memory.

However many viewers wait for a playlist or a part, one request is under way for it. Where no
replica has the window, playlists come from the log, and segments from the bucket.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from services.gateway.http1.h1_errors import Overloaded, UpstreamError
from services.gateway.upstream.upstreams import Upstream
from shared.turns import Turns

# Names below ``live/`` that the owner may have. Those of a recording are others, all in the bucket.
_PLAYLIST: Final = re.compile(r"live/((?!vod\.|dvr\.)[a-z0-9]{1,12}\.m3u8|live\.mpd)\Z")
# Playlists that reach further back than any window; the log has them.
_DVR: Final = re.compile(r"live/(dvr(?:-[a-z0-9]{1,12})?\.m3u8)\Z")
_MEDIA: Final = re.compile(
    r"live/([0-9]{1,9}/[a-z0-9]{1,12}/"
    r"(?:(?:0|[1-9][0-9]{0,8})(\.(?:0|[1-9][0-9]{0,4}))?\.m4s|init-[0-9a-f]{16}\.mp4))\Z"
)
_VIDEO: Final = re.compile(r"[0-9a-f-]{36}\Z")
_NUMBER: Final = re.compile(rb"(_HLS_msn=[0-9]{1,9}|_HLS_part=[0-9]{1,5})\Z")
_SKIPS: Final = (b"_HLS_skip=YES", b"_HLS_skip=v2")

# Seconds that an address is used, and that nobody is asked again where there is no owner.
_OWNER_SECONDS: Final = 2.0
_NO_OWNER_SECONDS: Final = 1.0
_MAX_OWNERS: Final = 10_000
# A reload may wait for three target durations.
_TIMEOUT: Final = 15.0
_PLAYLIST_SECONDS: Final = 0.5
# Bytes of all playlists that are kept.
_KEPT_PLAYLISTS: Final = 32 << 20
# Bytes of one segment, and of all that are kept.
_MAX_SEGMENT: Final = 24 << 20
_KEPT_BYTES: Final = 64 << 20
# How many segments are loaded at once, and of one live.
SEGMENTS: Final = 24
SEGMENTS_OF_LIVE: Final = 8
# How many playlists and parts are waited for: the owner answers them when they are there. All of a
# live's tracks are fewer.
EDGES_OF_LIVE: Final = 128
# How many of a live wait for their turn, for how long, and all that is under way.
WAITING_OF_LIVE: Final = 256
WAIT_SECONDS: Final = 15.0
MAX_FETCHES: Final = 4000


class Found(msgspec.Struct, frozen=True):
    """What a viewer is answered: a status of 200 or 400, and a body. ``lasting``: it never
    changes."""

    status: int
    body: bytes
    lasting: bool


class _Owner(msgspec.Struct, frozen=True):
    address: str


class LiveOrigin:
    """``replica``: the upstream of an address. ``clock``: a steady one, in seconds."""

    def __init__(
        self,
        live: Upstream,
        replica: Callable[[str], Upstream],
        clock: Callable[[], float],
    ) -> None:
        self._live = live
        self._replica = replica
        self._clock = clock
        self._owners: dict[str, tuple[str | None, float]] = {}
        self._fetches: dict[str, asyncio.Task[Found | None]] = {}
        self._media: OrderedDict[str, bytes] = OrderedDict()
        self._media_bytes = 0
        self._playlists: OrderedDict[str, tuple[Found, float]] = OrderedDict()
        self._playlist_bytes = 0
        self._segments = Turns(SEGMENTS, SEGMENTS_OF_LIVE)
        self._edges = Turns(MAX_FETCHES, EDGES_OF_LIVE)

    async def find(self, video: str, name: str, query: bytes) -> Found | None:
        """What there is of this name, below the video; None where the bucket may have it.

        Raises UpstreamError where live does not answer.
        """
        back = _DVR.match(name)
        playlist, media = back or _PLAYLIST.match(name), _MEDIA.match(name)
        if playlist is None and media is None:
            return None
        wanted = directives(query, waits=back is None) if playlist is not None else ""
        key = f"{video}/{name}{wanted}"
        known = self._kept(key)
        if known is not None:
            return known
        fetch = self._fetches.get(key)
        if fetch is None:
            if len(self._fetches) >= MAX_FETCHES:
                raise Overloaded("too much of running lives is waited for")
            if playlist is not None:
                work = self._playlist(video, playlist[1], wanted, key, hot=back is None)
            else:
                assert media is not None
                turns = self._segments if media[2] is None else self._edges
                work = self._segment(turns, video, media[1], key)
            fetch = self._fetches[key] = asyncio.create_task(work)
            fetch.add_done_callback(lambda task: self._fetched(key, task))
        # One viewer that hangs up does not end what others wait for.
        return await asyncio.shield(fetch)

    async def owner(self, video: str) -> Upstream | None:
        """The replica that has a session now, for a request of its publisher.

        Raises UpstreamError where live does not answer.
        """
        if _VIDEO.match(video) is None:
            return None
        # What viewers are served by may be some seconds old: a publisher has just connected.
        self._owners.pop(video, None)
        address = await self._owner(video)
        try:
            return self._replica(address) if address is not None else None
        except ValueError:
            return None

    def _fetched(self, key: str, task: asyncio.Task[Found | None]) -> None:
        self._fetches.pop(key, None)
        if not task.cancelled():
            # Its error has reached those who wait; there may be none left.
            task.exception()

    def _kept(self, key: str) -> Found | None:
        body = self._media.get(key)
        if body is not None:
            self._media.move_to_end(key)
            return Found(200, body, lasting=True)
        found, since = self._playlists.get(key, (None, 0.0))
        return found if self._clock() - since < _PLAYLIST_SECONDS else None

    async def _playlist(
        self, video: str, name: str, wanted: str, key: str, *, hot: bool
    ) -> Found | None:
        """``hot``: the owner's window has it, if there is an owner."""
        answer = None
        if hot:
            answer = await self._in_turn(self._edges, video, f"{name}{wanted}")
        if answer is None:
            skip = wanted if not hot else ""
            answer = await self._ask(self._live, f"/internal/live/{video}/plain/{name}{skip}")
        if answer is None:
            return None
        found = Found(answer[0], answer[1], lasting=False)
        if found.status == 200:
            self._keep_playlist(key, found)
        return found

    def _keep_playlist(self, key: str, found: Found) -> None:
        before = self._playlists.pop(key, None)
        if before is not None:
            self._playlist_bytes -= len(before[0].body)
        self._playlists[key] = found, self._clock()
        self._playlist_bytes += len(found.body)
        while self._playlist_bytes > _KEPT_PLAYLISTS:
            self._playlist_bytes -= len(self._playlists.popitem(last=False)[1][0].body)

    async def _segment(self, turns: Turns, video: str, name: str, key: str) -> Found | None:
        answer = await self._in_turn(turns, video, name)
        if answer is None or answer[0] != 200:
            return None
        body = answer[1]
        self._media[key] = body
        self._media_bytes += len(body)
        while self._media_bytes > _KEPT_BYTES:
            self._media_bytes -= len(self._media.popitem(last=False)[1])
        return Found(200, body, lasting=True)

    async def _in_turn(self, turns: Turns, video: str, name: str) -> tuple[int, bytes] | None:
        """The owner's answer. However much of one live is asked for, others are not behind it."""
        if turns.waiting_of(video) >= WAITING_OF_LIVE:
            raise Overloaded("too much of this live is waited for")
        try:
            await turns.wait(video, WAIT_SECONDS)
        except TimeoutError:
            raise Overloaded("too much of this live is waited for") from None
        try:
            return await self._ask_owner(video, name)
        finally:
            turns.leave(video)

    async def _ask_owner(self, video: str, name: str) -> tuple[int, bytes] | None:
        """The owner's answer; None where there is no owner, or it has nothing of this name."""
        address = await self._owner(video)
        if address is None:
            return None
        try:
            owner = self._replica(address)
            return await self._ask(owner, f"/internal/live/{video}/hot/{name}")
        except (UpstreamError, TimeoutError, ValueError):
            # It is gone; the next request asks who has followed.
            self._owners.pop(video, None)
            return None

    async def _ask(self, upstream: Upstream, target: str) -> tuple[int, bytes] | None:
        try:
            status, body = await upstream.get(target, _TIMEOUT, max_bytes=_MAX_SEGMENT)
        except TimeoutError:
            raise UpstreamError("live took too long") from None
        if status in (200, 400):
            return status, body
        if status == 404:
            return None
        raise UpstreamError(f"live answered {status}")

    async def _owner(self, video: str) -> str | None:
        """The address of the replica that has the window. Raises UpstreamError."""
        address, until = self._owners.get(video, (None, 0.0))
        now = self._clock()
        if now < until:
            return address
        answer = await self._ask(self._live, f"/internal/live/{video}/owner")
        address = None
        if answer is not None and answer[0] == 200:
            try:
                address = msgspec.json.decode(answer[1], type=_Owner).address
            except msgspec.DecodeError:
                raise UpstreamError("live's answer has another shape") from None
        if len(self._owners) >= _MAX_OWNERS:
            self._owners.clear()
        seconds = _OWNER_SECONDS if address is not None else _NO_OWNER_SECONDS
        self._owners[video] = address, now + seconds
        return address


def directives(query: bytes, *, waits: bool = True) -> str:
    """The delivery directives of a reload, each once and in one form; all else is left out.

    Each further way to write a reload would be one more request to the owner. ``waits``: whether
    the playlist is one that waits for a segment.
    """
    known: dict[bytes, bytes] = {}
    for part in query.split(b"&"):
        if part in _SKIPS:
            known.setdefault(b"_HLS_skip", b"YES")
        elif waits and _NUMBER.match(part):
            name, _, digits = part.partition(b"=")
            known.setdefault(name, b"%d" % int(digits))
    if b"_HLS_msn" not in known:
        known.pop(b"_HLS_part", None)
    text = b"&".join(b"%b=%b" % pair for pair in sorted(known.items()))
    return f"?{text.decode()}" if text else ""
