"""Running lives, from the replica of live that has their window in memory.

However many viewers wait for a playlist or a part, one request is under way for it. Where no
replica has the window, playlists come from the log, and segments from the bucket.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from services.gateway.http1.h1_errors import Overloaded, UpstreamError
from services.gateway.upstream.live_names import Asked, Names
from services.gateway.upstream.once_for_all import OnceForAll
from services.gateway.upstream.upstreams import Upstream
from shared.turns import Turns

_VIDEO: Final = re.compile(r"[0-9a-f-]{36}\Z")

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
    """What a viewer is answered: a status of 200, 400 or 404, and a body. ``lasting``: it never
    changes. ``joined``: it was found for another viewer."""

    status: int
    body: bytes
    lasting: bool
    joined: bool = False


# Parts are in no bucket.
_NO_PART: Final = Found(404, b"", lasting=False)


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
        self._names = Names()
        self._fetches: OnceForAll[Found | None] = OnceForAll()
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
        asked = self._names.read(name, query)
        if asked is None:
            return None
        key = f"{video}/{asked.key}"
        known = self._kept(key)
        if known is not None:
            return known
        answer = self._fetches.join(key)
        if answer is not None:
            found = await answer
            if found is None or found.status == 200:
                return found
            return msgspec.structs.replace(found, joined=True)
        if self._fetches.under_way >= MAX_FETCHES:
            raise Overloaded("too much of running lives is waited for")
        # One viewer that hangs up does not end what others wait for.
        return await self._fetches.begin(key, self._fetch(asked, video, key))

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

    def _fetch(self, asked: Asked, video: str, key: str) -> Coroutine[Any, Any, Found | None]:
        if asked.playlist:
            return self._playlist(video, asked, key)
        return self._segment(asked, video, key)

    def _kept(self, key: str) -> Found | None:
        body = self._media.get(key)
        if body is not None:
            self._media.move_to_end(key)
            return Found(200, body, lasting=True)
        found, since = self._playlists.get(key, (None, 0.0))
        return found if self._clock() - since < _PLAYLIST_SECONDS else None

    async def _playlist(self, video: str, asked: Asked, key: str) -> Found | None:
        """From the owner's window, which has no playlist that reaches back, or from the log."""
        answer = None
        if not asked.back:
            answer = await self._in_turn(self._edges, video, f"{asked.name}{asked.wanted}")
        if answer is None:
            skip = asked.wanted if asked.back else ""
            answer = await self._ask(self._live, f"/internal/live/{video}/plain/{asked.name}{skip}")
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

    async def _segment(self, asked: Asked, video: str, key: str) -> Found | None:
        turns = self._edges if asked.part else self._segments
        answer = await self._in_turn(turns, video, asked.name)
        if answer is None or answer[0] != 200:
            return _NO_PART if asked.part else None
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
