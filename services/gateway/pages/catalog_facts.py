"""What pages say of videos and channels: what the catalog answers to anybody."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, TypeVar
from urllib.parse import quote, urljoin

import msgspec

from services.gateway.http1.h1_errors import UpstreamError
from services.gateway.upstream.upstreams import Upstream

PAGE: Final = 50
"""Videos of one list."""

_SECONDS: Final = 2.0  # for one answer of the catalog
_POSTER_SIDE: Final = 1280  # pixels that posters are scaled down to

T = TypeVar("T")


class CatalogAway(Exception):
    """The catalog gives no usable answer in time."""


class Named(msgspec.Struct, frozen=True):
    """A tag."""

    name: str


class Broadcast(msgspec.Struct, frozen=True):
    """What is sent live. ``started_at``: the time of its first picture."""

    started_at: datetime | None
    ended: bool


class Part(msgspec.Struct, frozen=True):
    """A chapter of a video; times in milliseconds from the video's beginning."""

    start_ms: int
    end_ms: int
    title: str


class DownloadOffer(msgspec.Struct, frozen=True):
    """The video as an MP4 file, at ``url``; ``size`` in bytes."""

    size: int
    url: str


class Film(msgspec.Struct, frozen=True, kw_only=True):
    """A video that anybody may see; ``video`` is its playlist, "" before it plays.

    ``files``: those that anybody may have, best first. ``chapters``: in order, or none.
    """

    id: str
    title: str
    description: str
    username: str
    video: str
    thumbnail: str
    duration_ms: int | None
    width: int | None
    height: int | None
    views: int
    tags: Sequence[Named]
    created_at: datetime = msgspec.field(name="CreatedAt")
    updated_at: datetime = msgspec.field(name="UpdatedAt")
    visibility: str
    live: Broadcast | None
    files: Sequence[DownloadOffer] = ()
    chapters: Sequence[Part] = ()

    @property
    def seconds(self) -> int:
        """Its length, at least one second; 0 where it has none yet."""
        return max(1, round(self.duration_ms / 1000)) if self.duration_ms else 0

    @property
    def poster_size(self) -> tuple[int, int] | None:
        """Width and height of its thumbnail in pixels."""
        if not self.thumbnail or not self.width or not self.height:
            return None
        scale = min(1.0, _POSTER_SIDE / max(self.width, self.height))
        return tuple(max(2, 2 * round(side * scale / 2)) for side in (self.width, self.height))  # type: ignore[return-value]

    def player_size(self, widest: int = 1280, highest: int = 720) -> tuple[int, int]:
        """Width and height of a player in which it fits, in pixels."""
        width, height = (self.width, self.height) if self.width and self.height else (16, 9)
        scale = min(widest / width, highest / height)
        return max(1, int(width * scale)), max(1, int(height * scale))


class Channel(msgspec.Struct, frozen=True):
    """A user with their newest videos."""

    username: str
    videos: Sequence[Film]


class Listing(msgspec.Struct, frozen=True):
    """A page of videos; ``total``: of how many."""

    data: Sequence[Film]
    total: int


class Site(msgspec.Struct, frozen=True):
    """Addresses of the site at ``origin``."""

    origin: str

    def at(self, path: str) -> str:
        """The address of a path, or of what has one already."""
        return urljoin(f"{self.origin}/", path)

    def watch(self, film: Film, start: int = 0) -> str:
        """The page of a video; ``start``: it begins there, in seconds."""
        return self.at(f"/watch/{film.id}" + (f"?t={start}" if start else ""))

    def embed(self, film: Film) -> str:
        """The player of a video alone."""
        return self.at(f"/embed/{film.id}")

    def channel(self, username: str) -> str:
        """The page of a channel."""
        return self.at(f"/u/{quote(username, safe='')}")

    def tag(self, name: str) -> str:
        """The page of a tag."""
        return self.at(f"/tags/{quote(name, safe='')}")


class _Answer(msgspec.Struct, frozen=True):
    data: msgspec.Raw


Get = Callable[[str, float], Awaitable[tuple[int, bytes]]]
"""Gives status and body of what is at a path, within so many seconds."""


class CatalogFacts:
    """Asks the catalog as somebody who is not signed in. All raise CatalogAway.

    ``public``: for what it answers anybody, from the edge cache where there is one.
    """

    def __init__(self, catalog: Upstream, public: Get) -> None:
        self._catalog = catalog
        self._public = public

    async def film(self, video_id: str) -> Film | None:
        """A video; None where there is none that anybody may see."""
        return await self._ask(f"/api/v1/streaming/id/{video_id}", Film)

    async def was_shown(self, video_id: str) -> bool:
        """Whether a video is deleted that anybody could see."""
        return (await _answered(self._catalog.get(f"/internal/gone/{video_id}", _SECONDS)))[
            0
        ] == 204

    async def channel(self, name: str) -> Channel | None:
        """A user by name, escaped as in the request's path."""
        return await self._ask(f"/api/v1/users/username/{name}", Channel)

    async def latest(self, page: int = 1) -> Listing:
        """The newest videos."""
        found = await self._ask(f"/api/v1/streaming/latest?page={page}&page_size={PAGE}", Listing)
        if found is None:
            raise CatalogAway
        return found

    async def tagged(self, tag: str) -> Listing | None:
        """The newest videos with a tag, escaped as in the request's path."""
        return await self._ask(f"/api/v1/tags/{tag}/videos?page_size={PAGE}", Listing)

    async def _ask(self, target: str, kind: type[T]) -> T | None:
        status, body = await _answered(self._public(target, _SECONDS))
        if status in (400, 404):
            return None
        if status != 200:
            raise CatalogAway
        try:
            answer = msgspec.json.decode(body, type=_Answer)
            return msgspec.json.decode(answer.data, type=kind)
        except msgspec.DecodeError:
            raise CatalogAway from None


async def _answered(answer: Awaitable[tuple[int, bytes]]) -> tuple[int, bytes]:
    try:
        return await answer
    except (UpstreamError, TimeoutError):
        raise CatalogAway from None
