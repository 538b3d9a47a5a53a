"""Feeds, sitemaps and oEmbed: well-formed whatever is in them, and complete."""

from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest

from services.gateway.pages import feeds, oembed, sitemaps
from services.gateway.pages.catalog_facts import Site
from tests.unit.gateway.films import HOSTILE, ID, film

SITE = Site("https://video.example.com")
NAMES = {
    "atom": "http://www.w3.org/2005/Atom",
    "media": "http://search.yahoo.com/mrss/",
    "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
    "map": "http://www.sitemaps.org/schemas/sitemap/0.9",
    "video": "http://www.google.com/schemas/sitemap-video/1.1",
}


def feed(title: str, **changes: object) -> feeds.Feed:
    return feeds.Feed(
        title=title,
        about=title,
        address=SITE.at("/feed.atom"),
        page=SITE.at("/"),
        films=[film(title=title, **changes)],
    )


def read(document: str) -> ElementTree.Element:
    return ElementTree.fromstring(document.encode())


def said(document: str, path: str) -> str | None:
    return read(document).findtext(path, None, NAMES)


def attribute(document: str, path: str, name: str) -> str | None:
    found = read(document).find(path, NAMES)
    assert found is not None, path
    return found.get(name)


def test_atom_has_what_readers_need() -> None:
    document = feeds.atom(feed("A ride"), SITE)
    assert said(document, "atom:entry/atom:id") == f"https://video.example.com/watch/{ID}"
    assert said(document, "atom:entry/atom:author/atom:name") == "ada"
    assert said(document, "atom:updated") == "2026-11-02T10:00:00+00:00"
    assert attribute(document, "atom:entry/media:group/media:content", "duration") == "61"
    picture = attribute(document, "atom:entry/media:group/media:thumbnail", "url")
    assert picture == f"https://video.example.com/media/public/{ID}/v1/poster.webp"


def test_rss_has_what_podcast_players_need() -> None:
    document = feeds.rss(feed("A ride"), SITE)
    item = "channel/item"
    assert said(document, f"{item}/pubDate") == "Sun, 01 Nov 2026 10:00:00 +0000"
    assert said(document, f"{item}/itunes:duration") == "61"
    assert attribute(document, f"{item}/enclosure", "type") == "application/vnd.apple.mpegurl"
    assert attribute(document, "channel/itunes:image", "href") == SITE.at("/icon-512.png")


def test_podcast_players_load_the_file_that_anybody_may_have() -> None:
    best = {"rendition": "720p", "size": 123_456, "url": f"/api/v1/videos/{ID}/download?a=1&b=2"}
    files = [best, {"rendition": "240p", "size": 9, "url": "/other"}]
    document = feeds.rss(feed("A ride", files=files), SITE)
    enclosure = "channel/item/enclosure"
    assert attribute(document, enclosure, "url") == SITE.at(best["url"])
    assert attribute(document, enclosure, "type") == "video/mp4"
    assert attribute(document, enclosure, "length") == "123456"


def test_a_feed_of_nothing_is_one() -> None:
    nothing = feeds.Feed(title="t", about="a", address=SITE.at("/f"), page=SITE.at("/"), films=[])
    assert said(feeds.atom(nothing, SITE), "atom:updated") == "1970-01-01T00:00:00+00:00"
    assert read(feeds.rss(nothing, SITE)).findall("channel/item") == []


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_breaks_a_document(text: str) -> None:
    kept = "".join(sign for sign in text if sign not in "\x00\x0b\ufffe")
    hostile = {"description": text, "username": text, "tags": [{"name": text}]}
    assert said(feeds.atom(feed(text, **hostile), SITE), "atom:entry/atom:title") == kept
    assert said(feeds.rss(feed(text, **hostile), SITE), "channel/item/title") == kept
    page = sitemaps.page([film(title=text, **hostile)], SITE, embeddable=True)
    assert said(page, "map:url/video:video/video:title") == kept
    question = oembed.read_question(urlencode({"url": SITE.at(f"/watch/{ID}")}), SITE)
    answer = oembed.answer(film(title=text, username=text), SITE, question)
    assert said(oembed.as_xml(answer), "title") == kept
    frame = read(answer["html"])
    assert (frame.tag, frame.get("title")) == ("iframe", kept.replace("\n", " "))


def test_sitemaps_are_bounded() -> None:
    assert len(read(sitemaps.index(0, SITE))) == 1
    assert len(read(sitemaps.index(51, SITE))) == 2
    assert len(read(sitemaps.index(10**9, SITE))) == sitemaps.PAGES


def test_a_sitemap_has_videos_and_their_channels() -> None:
    waiting = film(id="2", video="", thumbnail="")
    document = sitemaps.page([film(), waiting], SITE, embeddable=True)
    places = [place.text for place in read(document).findall("map:url/map:loc", NAMES)]
    assert places == [SITE.at("/u/ada"), SITE.at(f"/watch/{ID}"), SITE.at("/watch/2")]
    assert len(read(document).findall("map:url/video:video", NAMES)) == 1
    assert said(document, "map:url/video:video/video:player_loc") == SITE.at(f"/embed/{ID}")
    assert "player_loc" not in sitemaps.page([film()], SITE, embeddable=False)


def test_robots_name_the_sitemap() -> None:
    text = sitemaps.robots(SITE)
    assert "Sitemap: https://video.example.com/sitemap.xml" in text
    assert "Disallow: /watch/\n" not in text


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ({}, (640, 360)),
        ({"maxwidth": "320"}, (320, 180)),
        ({"maxheight": "90"}, (160, 90)),
        ({"maxwidth": "1000", "maxheight": "90"}, (160, 90)),
    ],
)
def test_oembed_keeps_within_what_is_asked(query: dict[str, str], size: tuple[int, int]) -> None:
    asked = urlencode({"url": SITE.at(f"/watch/{ID}?t=1m5s"), **query})
    answer = oembed.answer(film(), SITE, oembed.read_question(asked, SITE))
    assert (answer["width"], answer["height"]) == size
    assert f'src="https://video.example.com/embed/{ID}?t=1m5s"' in answer["html"]
    assert answer["type"] == "video"
    assert answer["thumbnail_width"] == 1280


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"url": f"https://elsewhere.example/watch/{ID}"}, 404),
        ({"url": f"https://video.example.com@evil.example/watch/{ID}"}, 404),
        ({"url": "https://video.example.com/watch/../x"}, 404),
        ({"url": "https://[broken"}, 404),
        ({"url": f"javascript://video.example.com/watch/{ID}"}, 404),
        ({"url": f"https://video.example.com/watch/{ID}", "format": "yaml"}, 501),
        ({"url": f"https://video.example.com/watch/{ID}", "maxwidth": "wide"}, 400),
        ({"url": f"https://video.example.com/watch/{ID}", "maxwidth": "0"}, 400),
    ],
)
def test_oembed_refuses_other_addresses(query: dict[str, str], status: int) -> None:
    with pytest.raises(oembed.Refused) as refused:
        oembed.read_question(urlencode(query), SITE)
    assert refused.value.status == status


def test_a_start_that_is_none_is_left_out() -> None:
    asked = urlencode({"url": SITE.at(f'/watch/{ID}?t="onload="')})
    answer = oembed.answer(film(), SITE, oembed.read_question(asked, SITE))
    assert f'src="https://video.example.com/embed/{ID}"' in answer["html"]
