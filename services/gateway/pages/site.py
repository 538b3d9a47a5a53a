"""Pages whose head says what they show, the player for other sites, feeds and sitemaps."""

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final
from urllib.parse import unquote

import msgspec

from services.gateway import security_headers
from services.gateway.pages import feeds, heads, oembed, sitemaps
from services.gateway.pages.catalog_facts import CatalogAway, CatalogFacts, Film, Listing, Site
from services.gateway.pages.made_answers import send
from services.gateway.pages.web_files import WebFiles
from services.gateway.request.error_bodies import Failure
from services.gateway.request.exchange import Exchange
from services.gateway.request.routes import Route

AT_ONCE: Final = 8
"""Pages of one caller that wait for the catalog at once; further ones say nothing of theirs."""

NOWHERE: Final = "'none'"
"""The sources of ``frame-ancestors`` where no other site may show the player."""

_ID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\Z")
_SITEMAP: Final = re.compile(r"([1-9][0-9]{0,2})\.xml\Z")
_HTML: Final = b"text/html; charset=utf-8"
_XML: Final = b"application/xml; charset=utf-8"
_NOT_EMBEDDED: Final = Failure(
    403, "not_embeddable", "Videos of this site are not shown elsewhere."
)
_AWAY: Final = (b"retry-after", b"2")

Answering = Callable[[Exchange, Route], Awaitable[None]]


class SitePages:
    """The handler of these routes.

    ``ancestors``: who may show the player in a frame, as sources of a content security policy.
    """

    def __init__(
        self, web: WebFiles, facts: CatalogFacts, policy: Callable[[str], str], ancestors: str
    ) -> None:
        self._web = web
        self._facts = facts
        self._page_policy = policy(NOWHERE)
        self._frame_policy = policy(ancestors)
        self._embeddable = ancestors != NOWHERE
        self._asking: dict[str, int] = {}
        self._answers: dict[str, Answering] = {
            "/watch/{id}": self._watch,
            "/embed/{id}": self._embed,
            "/u/{name}": self._channel,
            "/oembed": self._oembed,
            "/robots.txt": self._robots,
            "/sitemap.xml": self._sitemap_index,
            "/sitemaps/{page}": self._sitemap,
            **{f"{where}/feed.{form}": self._feed for where, form in _feeds()},
        }

    async def __call__(self, exchange: Exchange, route: Route) -> None:
        try:
            await self._answers[route.pattern](exchange, route)
        except CatalogAway:
            await exchange.fail(503, _AWAY)

    async def _watch(self, exchange: Exchange, route: Route) -> None:
        site = _site(exchange)

        async def find() -> tuple[int, str]:
            status, film = await self._find(_segment(exchange, 2))
            if film is None:
                return status, heads.UNKNOWN
            return status, heads.film_head(film, site, embeddable=self._embeddable)

        await self._page(exchange, route, find)

    async def _channel(self, exchange: Exchange, route: Route) -> None:
        site = _site(exchange)

        async def find() -> tuple[int, str]:
            channel = await self._facts.channel(_segment(exchange, 2))
            return (200, heads.channel_head(channel, site)) if channel else (404, heads.UNKNOWN)

        await self._page(exchange, route, find)

    async def _page(
        self, exchange: Exchange, route: Route, find: Callable[[], Awaitable[tuple[int, str]]]
    ) -> None:
        """The client's page with the head that ``find`` makes; as it is without the catalog."""
        template, found = self._web.page("index.html"), None
        with suppress(CatalogAway), self._turn(exchange.client):
            found = await find()
        if template is None or found is None:
            await self._web(exchange, route)
            return
        status, head = found
        headers = security_headers.page_headers(self._page_policy, exchange.secure)
        await send(exchange, status, heads.fill(template, head), _HTML, headers)

    async def _embed(self, exchange: Exchange, route: Route) -> None:
        template = self._web.page("embed.html")
        if template is None:
            await self._web(exchange, route)
            return
        status, head = 200, ""  # without the catalog, the player says so, and tries again
        with suppress(CatalogAway), self._turn(exchange.client):
            status, film = await self._find(_segment(exchange, 2))
            head = heads.embed_head(film, _site(exchange)) if film else heads.UNKNOWN
        headers = security_headers.embed_headers(self._frame_policy, exchange.secure)
        if not self._embeddable:
            headers = security_headers.page_headers(self._page_policy, exchange.secure)
        await send(exchange, status, heads.fill(template, head), _HTML, headers)

    async def _find(self, video_id: str) -> tuple[int, Film | None]:
        """The video that anybody may see, and the status of its page. Raises CatalogAway."""
        if _ID.match(video_id) is None:
            return 404, None
        film = await self._facts.film(video_id)
        if film is not None:
            return 200, film
        return 410 if await self._facts.was_shown(video_id) else 404, None

    @contextmanager
    def _turn(self, client: str) -> Iterator[None]:
        """One of the caller's questions to the catalog. Raises CatalogAway beyond their number."""
        if self._asking.get(client, 0) >= AT_ONCE:
            raise CatalogAway
        self._asking[client] = self._asking.get(client, 0) + 1
        try:
            yield
        finally:
            self._asking[client] -= 1
            if not self._asking[client]:
                del self._asking[client]

    async def _oembed(self, exchange: Exchange, _route: Route) -> None:
        site = _site(exchange)
        try:
            question = oembed.read_question(exchange.query.decode("ascii"), site)
        except oembed.Refused as refused:
            await exchange.fail(refused.status)
            return
        if not self._embeddable:
            await exchange.fail(_NOT_EMBEDDED)
            return
        status, film = await self._find(question.video_id)
        if film is None:
            await exchange.fail(404 if status == 410 else status)
            return
        found = oembed.answer(film, site, question)
        if question.form == "json":
            document = msgspec.json.encode(found).decode()
            await self._send(exchange, document, b"application/json")
        else:
            await self._send(exchange, oembed.as_xml(found), b"text/xml; charset=utf-8")

    async def _feed(self, exchange: Exchange, route: Route) -> None:
        site, name = _site(exchange), ""
        found: Listing | None = None
        if route.pattern.startswith("/u/"):
            channel = await self._facts.channel(_segment(exchange, 2))
            if channel is not None:
                name, found = channel.username, Listing(channel.videos, len(channel.videos))
        elif route.pattern.startswith("/tags/"):
            name = unquote(_segment(exchange, 2), errors="replace")
            found = await self._facts.tagged(_segment(exchange, 2))
        else:
            found = await self._facts.latest()
        if found is None:
            await exchange.fail(404)
            return
        path, _, file = exchange.path.decode("ascii").rpartition("/")
        feed = feeds.Feed(
            title=f"{name} · Cinelog" if name else "Cinelog",
            about=f"Videos by {name}." if route.pattern.startswith("/u/") else "The newest videos.",
            address=site.at(f"{path}/{file}"),
            page=site.at(path or "/"),
            films=found.data,
        )
        form = file.rpartition(".")[2]
        document = feeds.atom(feed, site) if form == "atom" else feeds.rss(feed, site)
        await self._send(exchange, document, b"application/%b+xml; charset=utf-8" % form.encode())

    async def _sitemap_index(self, exchange: Exchange, _route: Route) -> None:
        total = (await self._facts.latest()).total
        await self._send(exchange, sitemaps.index(total, _site(exchange)), _XML)

    async def _sitemap(self, exchange: Exchange, _route: Route) -> None:
        number = _SITEMAP.match(_segment(exchange, 2))
        if number is None or int(number[1]) > sitemaps.PAGES:
            await exchange.fail(404)
            return
        films = (await self._facts.latest(int(number[1]))).data
        document = sitemaps.page(films, _site(exchange), embeddable=self._embeddable)
        await self._send(exchange, document, _XML)

    async def _robots(self, exchange: Exchange, _route: Route) -> None:
        await self._send(exchange, sitemaps.robots(_site(exchange)), b"text/plain; charset=utf-8")

    async def _send(self, exchange: Exchange, document: str, content_type: bytes) -> None:
        headers = security_headers.API_TLS if exchange.secure else security_headers.API
        await send(exchange, 200, document, content_type, [*headers])


def _feeds() -> Iterator[tuple[str, str]]:
    for where in ("", "/u/{name}", "/tags/{tag}"):
        for form in ("atom", "rss"):
            yield where, form


def _site(exchange: Exchange) -> Site:
    return Site(exchange.origin.decode("ascii"))


def _segment(exchange: Exchange, number: int) -> str:
    """A segment of the path, escaped as it came."""
    return exchange.path.decode("ascii").split("/")[number]
