"""Which videos may be seen, and what the catalog says of their captions."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from services.gateway.http1.h1_errors import UpstreamError
from services.gateway.media.captioned import Captions
from services.gateway.upstream.upstreams import Upstream
from shared.contracts import SHOWN_TO_OTHERS, CaptionTrack
from shared.contracts import Visibility as Shown

# Seconds that a visibility is used: normally, and while the catalog does not answer.
_FRESH_SECONDS: Final = 5.0
_FRESH_HIDDEN_SECONDS: Final = 1.0
_STALE_SECONDS: Final = 60.0
_MAX_KNOWN: Final = 20_000


class _Access(msgspec.Struct):
    """What the catalog says of a video. ``duration_ms`` is None until it is known."""

    visibility: Shown
    duration_ms: int | None = None
    captions: Sequence[CaptionTrack] = ()


class Visibility:
    """Which videos may be seen. The catalog's answers are kept for some seconds."""

    def __init__(self, catalog: Upstream, clock: Callable[[], float]) -> None:
        self._catalog = catalog
        self._clock = clock
        # By video and, for grants, the id of the session; "" without one.
        self._known: dict[tuple[str, str], tuple[_Access | None, float]] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[_Access | None]] = {}
        # Answers to questions of an earlier generation are not kept.
        self._generation = 0

    def forget(self, video: str | None) -> None:
        """Ask again for ``video``, or for all: a request through this gateway has changed it."""
        self._generation += 1
        self._asking.clear()
        if video is None:
            self._known.clear()
            return
        for key in [key for key in self._known if key[0] == video]:
            del self._known[key]

    async def visible(self, video: str) -> bool:
        """Whether ``video`` needs no grant.

        Raises UpstreamError where the catalog does not answer and its last answer is too old.
        """
        if _is_shown(await self._of(video)):
            return True
        # It may have been published just now.
        return _is_shown(await self._of(video, _FRESH_HIDDEN_SECONDS))

    async def captions(self, video: str, session: str = "") -> Captions | None:
        """The captions of a video that may be seen.

        None where it has none, no length yet, or where the catalog is away: it plays without them.
        """
        try:
            access = await self._of(video, session=session)
        except UpstreamError:
            return None
        if access is None or not access.captions or not access.duration_ms:
            return None
        return Captions(access.captions, access.duration_ms)

    async def granted(self, video: str, session: str) -> bool:
        """Whether the session is open and ``video`` not deleted, or the catalog does not answer."""
        try:
            return await self._of(video, _FRESH_HIDDEN_SECONDS, session) is not None
        except UpstreamError:
            # Grants are given for videos that are there, and expire.
            return True

    async def _of(
        self, video: str, fresh: float = _FRESH_SECONDS, session: str = ""
    ) -> _Access | None:
        now = self._clock()
        key = video, session
        known = self._known.get(key)
        if known is not None and now - known[1] < fresh:
            return known[0]
        asking = self._asking.get(key)
        if asking is None:
            asking = asyncio.create_task(self._ask(video, session))
            self._asking[key] = asking
            asking.add_done_callback(lambda task: self._asked(key, task))
        try:
            return await asyncio.shield(asking)
        except UpstreamError:
            if known is not None and now - known[1] < _STALE_SECONDS:
                return known[0]
            raise

    def _asked(self, key: tuple[str, str], task: asyncio.Task[_Access | None]) -> None:
        if self._asking.get(key) is task:
            del self._asking[key]

    async def _ask(self, video: str, session: str) -> _Access | None:
        generation = self._generation
        query = f"?session={session}" if session else ""
        try:
            status, body = await self._catalog.get(f"/internal/media/{video}{query}")
        except TimeoutError:
            raise UpstreamError("the catalog took too long") from None
        if status == 200:
            try:
                access = msgspec.json.decode(body, type=_Access)
            except msgspec.DecodeError:
                raise UpstreamError("the catalog's answer has another shape") from None
        elif status == 404:
            access = None
        else:
            raise UpstreamError(f"the catalog answered {status}")
        if generation == self._generation:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[video, session] = (access, self._clock())
        return access


def _is_shown(access: _Access | None) -> bool:
    return access is not None and access.visibility in SHOWN_TO_OTHERS
