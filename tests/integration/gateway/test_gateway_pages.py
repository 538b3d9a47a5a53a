"""Pages with heads of their own, the player for other sites, oEmbed, feeds and sitemaps."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import httpx
import pytest

from services.gateway.pages.site import AT_ONCE
from tests.integration.gateway.rig import Peer, Request, Rig, Service, running_gateway
from tests.support.wait import eventually
from tests.unit.gateway.films import HOSTILE, ID, film_facts

SHOWN = f"/watch/{ID}"
UNKNOWN = "/watch/0190b7a8-1111-7000-8000-000000000002"
DELETED_ID = "0190b7a8-1111-7000-8000-000000000003"
DELETED = f"/watch/{DELETED_ID}"
INDEX = (
    '<!doctype html><html><head><meta name="description" content="Ours." />'
    '<title>Cinelog</title></head><body><div id="root"></div></body></html>'
)


class Catalog:
    """Answers as the catalog does: one video, one channel, one deleted video."""

    def __init__(self) -> None:
        self.facts = film_facts()
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, request: Request, peer: Peer) -> None:
        await self.go.wait()
        status, data = self._found(request.target)
        await peer.answer(
            status, b"" if status == 204 else {"success": status == 200, "data": data}
        )

    def _found(self, target: str) -> tuple[int, Any]:
        if target == f"/api/v1/streaming/id/{ID}":
            return 200, self.facts
        if target == f"/internal/gone/{DELETED_ID}":
            return 204, None
        if target == "/api/v1/users/username/ada":
            return 200, {"username": "ada", "videos": [self.facts]}
        lists = ("/api/v1/streaming/latest?", "/api/v1/tags/bikes/videos?")
        if target.startswith(lists):
            return 200, {"data": [self.facts], "total": 120}
        return 404, None


@pytest.fixture
def web(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text(INDEX)
    (tmp_path / "embed.html").write_text(INDEX.replace("root", "player"))
    return tmp_path


@pytest.fixture
def catalog(service: Service) -> Catalog:
    found = Catalog()
    service.handler = found
    return found


@pytest.fixture
async def site(
    service: Service, redis_url: str, web: Path, catalog: Catalog
) -> AsyncIterator[httpx.AsyncClient]:
    assert catalog
    async with running_gateway(service, redis_url, web_root=web) as rig, browsing(rig) as client:
        yield client


def browsing(rig: Rig) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=rig.url, trust_env=False, timeout=60)


def home(client: httpx.AsyncClient) -> str:
    return f"{str(client.base_url).rstrip('/')}/"


async def test_a_video_s_page_says_what_it_shows(site: httpx.AsyncClient) -> None:
    answer = await site.get(SHOWN)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert "<title>A ride · Cinelog</title>" in answer.text
    assert "Ours." not in answer.text
    assert f'<link rel="canonical" href="{home(site)}watch/{ID}" />' in answer.text
    assert '<div id="root"></div>' in answer.text
    known = {"if-none-match": answer.headers["etag"]}
    assert (await site.get(SHOWN, headers=known)).status_code == 304
    assert (await site.head(SHOWN)).content == b""
    channel = await site.get("/u/ada")
    assert "<title>ada · Cinelog</title>" in channel.text
    assert "/u/ada/feed.rss" in channel.text


async def test_what_is_not_there_has_the_status_of_it(site: httpx.AsyncClient) -> None:
    for path, status in {
        UNKNOWN: 404,
        DELETED: 410,
        "/watch/nonsense": 404,
        "/u/nobody": 404,
        DELETED.replace("watch", "embed"): 410,
        "/u/nobody/feed.atom": 404,
        "/tags/nothing/feed.rss": 404,
        "/sitemaps/0.xml": 404,
        "/sitemaps/201.xml": 404,
        "/sitemaps/x": 404,
    }.items():
        answer = await site.get(path)
        assert answer.status_code == status, path
        if answer.headers["content-type"].startswith("text/html"):
            # The client says it in words; nothing of this is for search engines.
            assert '<meta name="robots" content="noindex" />' in answer.text
            assert "<title>Cinelog</title>" in answer.text


async def test_a_hidden_video_has_the_page_of_an_unknown_one(
    site: httpx.AsyncClient, catalog: Catalog
) -> None:
    # The catalog tells nobody of it who is not its owner.
    shown = await site.get(SHOWN)
    catalog.facts = film_facts(id="0190b7a8-1111-7000-8000-000000000009")
    catalog._found = lambda _: (404, None)  # type: ignore[method-assign]
    hidden, unknown = await site.get(SHOWN), await site.get(UNKNOWN)
    assert hidden.status_code == unknown.status_code == 404
    assert hidden.text == unknown.text != shown.text
    same = ("etag", "cache-control", "content-length", "content-security-policy")
    assert [hidden.headers[name] for name in same] == [unknown.headers[name] for name in same]


@pytest.mark.parametrize("text", HOSTILE)
async def test_no_title_breaks_out(site: httpx.AsyncClient, catalog: Catalog, text: str) -> None:
    catalog.facts = film_facts(title=text, description=text)
    for path in (SHOWN, f"/embed/{ID}", "/u/ada"):
        page = (await site.get(path)).text
        assert len(re.findall("<script", page)) == page.count('<script type="application/ld+json">')
        assert "<img" not in page


async def test_without_the_catalog_the_page_is_plain(
    site: httpx.AsyncClient, catalog: Catalog, service: Service
) -> None:
    async def broken(_: Request, peer: Peer) -> None:
        await peer.answer(500, {})

    async def nonsense(_: Request, peer: Peer) -> None:
        await peer.answer(200, {"data": {"id": 1}})

    for handler in (broken, nonsense):
        service.handler = handler
        for path in (SHOWN, "/u/ada"):
            answer = await site.get(path)
            assert (answer.status_code, answer.text) == (200, INDEX)
        assert (await site.get(f"/embed/{ID}")).status_code == 200
        assert (await site.get("/feed.atom")).status_code == 503
    # One that does not answer is waited for, but not for long.
    service.handler = catalog
    catalog.go.clear()
    assert (await site.get(SHOWN)).text == INDEX
    catalog.go.set()


async def test_one_caller_s_pages_keep_few_questions_open(
    site: httpx.AsyncClient, catalog: Catalog, service: Service
) -> None:
    catalog.go.clear()
    asking = [asyncio.create_task(site.get(SHOWN)) for _ in range(AT_ONCE)]
    await eventually(lambda: len(service.requests) == AT_ONCE)
    assert (await site.get(SHOWN)).text == INDEX
    assert len(service.requests) == AT_ONCE
    catalog.go.set()
    await asyncio.gather(*asking)
    assert "A ride" in (await site.get(SHOWN)).text


@pytest.mark.parametrize(
    ("allowed", "ancestors"),
    [
        (None, "*"),
        (
            "https://a.example, https://*.b.example:8443",
            "https://a.example https://*.b.example:8443",
        ),
        ("none", "'none'"),
    ],
)
async def test_the_player_is_shown_where_it_may_be(
    service: Service,
    redis_url: str,
    web: Path,
    catalog: Catalog,
    *,
    allowed: str | None,
    ancestors: str,
) -> None:
    assert catalog
    changes: dict[str, Any] = {"embed_origins": allowed} if allowed else {}
    async with (
        running_gateway(service, redis_url, web_root=web, **changes) as rig,
        browsing(rig) as client,
    ):
        answer = await client.get(f"/embed/{ID}")
        assert answer.status_code == 200
        assert '<div id="player"></div>' in answer.text
        policy = answer.headers["content-security-policy"]
        assert policy.endswith(f"frame-ancestors {ancestors}")
        assert "script-src 'self';" in policy
        nowhere = ancestors == "'none'"
        assert ("x-frame-options" in answer.headers) == nowhere
        assert ("/oembed?" in (await client.get(SHOWN)).text) != nowhere
        query = urlencode({"url": f"{home(client)}watch/{ID}"})
        assert (await client.get(f"/oembed?{query}")).status_code == (403 if nowhere else 200)
        # Every other page is framed by nobody.
        for path in (SHOWN, "/", "/embed.html", "/login"):
            assert (await client.get(path)).headers["x-frame-options"] == "DENY"


async def test_oembed_answers_as_json_and_xml(site: httpx.AsyncClient) -> None:
    def query(**more: str) -> str:
        return "/oembed?" + urlencode({"url": f"{home(site)}watch/{ID}", **more})

    answer = await site.get(query(maxwidth="320"))
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["title"] == "A ride"
    assert f'<iframe src="{home(site)}embed/{ID}" width="320"' in answer.json()["html"]
    answer = await site.get(query(format="xml"))
    assert answer.headers["content-type"].startswith("text/xml")
    assert ElementTree.fromstring(answer.text).findtext("type") == "video"
    unknown = urlencode({"url": f"{home(site)}watch/{DELETED_ID}"})
    assert (await site.get(f"/oembed?{unknown}")).status_code == 404
    assert (await site.get(query(format="yaml"))).status_code == 501
    assert (await site.get("/oembed")).status_code == 400


async def test_feeds_and_sitemaps_are_there(site: httpx.AsyncClient) -> None:
    for where, page in {"": "", "/u/ada": "u/ada", "/tags/bikes": "tags/bikes"}.items():
        atom, rss = await site.get(f"{where}/feed.atom"), await site.get(f"{where}/feed.rss")
        assert atom.headers["content-type"] == "application/atom+xml; charset=utf-8"
        assert rss.headers["content-type"] == "application/rss+xml; charset=utf-8"
        assert f"<id>{home(site)}{page}</id>" in atom.text
        link = ElementTree.fromstring(rss.text).findtext("channel/link")
        assert link == f"{home(site)}{page}"
        assert f"/watch/{ID}" in atom.text
    index = ElementTree.fromstring((await site.get("/sitemap.xml")).text)
    assert len(index) == 3  # of 120 videos, by 50
    one = await site.get("/sitemaps/1.xml", headers={"accept-encoding": "gzip"})
    assert one.headers["content-encoding"] == "gzip"
    assert f"<loc>{home(site)}watch/{ID}</loc>" in one.text
    assert f"Sitemap: {home(site)}sitemap.xml" in (await site.get("/robots.txt")).text
