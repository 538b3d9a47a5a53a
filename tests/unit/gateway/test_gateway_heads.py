"""The heads of pages: what programs read there, and that no text becomes anything else."""

import json
from html.parser import HTMLParser

import pytest

from services.gateway.pages import heads
from services.gateway.pages.catalog_facts import Channel, Site
from tests.unit.gateway.films import HOSTILE, ID, film

SITE = Site("https://video.example.com")
TEMPLATE = (
    '<!doctype html><html><head><meta charset="utf-8" />\n'
    '<meta name="description" content="Ours." />\n<title>Cinelog</title>'
    '<script src="/theme.js"></script></head><body><div id="root"></div></body></html>'
)


class Reader(HTMLParser):
    """The elements of a page, as a browser would find them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.data: list[tuple[str, str]] = []
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        self.data.append((self._inside, data))

    def values(self, name: str) -> list[str | None]:
        """The contents of meta elements of that name or property."""
        return [
            attributes.get("content")
            for tag, attributes in self.found
            if tag == "meta" and name in (attributes.get("name"), attributes.get("property"))
        ]

    def text(self, tag: str) -> str:
        return "".join(data for inside, data in self.data if inside == tag)


def page(**changes: object) -> Reader:
    return Reader(
        heads.fill(TEMPLATE, heads.film_head(film(**changes), SITE, embeddable=True)),
    )


def test_a_video_says_what_it_is() -> None:
    read = page()
    url = f"https://video.example.com/watch/{ID}"
    embed = f"https://video.example.com/embed/{ID}"
    poster = f"https://video.example.com/media/public/{ID}/v1/poster.webp"
    for name, value in {
        "description": "Through the city.",
        "og:title": "A ride",
        "og:type": "video.other",
        "og:url": url,
        "og:image": poster,
        "og:image:width": "1280",
        "og:image:height": "720",
        "og:video": embed,
        "og:video:secure_url": embed,
        "og:video:type": "text/html",
        "og:video:width": "1280",
        "og:video:height": "720",
        "twitter:card": "player",
        "twitter:player": embed,
        "video:duration": "61",
    }.items():
        assert read.values(name) == [value], name
    assert read.text("title").strip() == "A ride · Cinelog"
    links = {a["rel"]: a["href"] for tag, a in read.found if tag == "link" and "title" not in a}
    assert links == {"canonical": url}
    discovered = [a for tag, a in read.found if tag == "link" and "title" in a]
    assert [a["type"] for a in discovered] == ["application/json+oembed", "text/xml+oembed"]
    assert read.values("robots") == []


def test_the_same_is_there_as_structured_data() -> None:
    data = json.loads(page().text("script"))
    assert data["@type"] == "VideoObject"
    assert data["name"] == "A ride"
    assert data["duration"] == "PT61S"
    assert data["embedUrl"].endswith(f"/embed/{ID}")
    assert data["contentUrl"].endswith("/v1/master.m3u8")
    assert data["uploadDate"].startswith("2026-11-01T10:00:00")
    assert data["interactionStatistic"]["userInteractionCount"] == 7


def test_chapters_are_clips_of_it() -> None:
    chapters = [
        {"start_ms": 0, "end_ms": 30_000, "title": "Intro"},
        {"start_ms": 30_000, "end_ms": 61_400, "title": "</script>Up"},
    ]
    data = json.loads(page(chapters=chapters).text("script"))
    first, second = data["hasPart"]
    assert first["url"] == f"https://video.example.com/watch/{ID}"
    assert second == {
        "@type": "Clip",
        "name": "</script>Up",
        "startOffset": 30,
        "endOffset": 61,
        "url": f"https://video.example.com/watch/{ID}?t=30",
    }
    assert "hasPart" not in json.loads(page().text("script"))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_an_element(text: str) -> None:
    plain = page()
    read = page(title=text, description=text, username=text, tags=[{"name": text}])
    assert [tag for tag, _ in read.found] == [tag for tag, _ in plain.found]
    names = [sorted(attributes) for _, attributes in read.found]
    assert names == [sorted(attributes) for _, attributes in plain.found]
    kept = "".join(sign for sign in text if sign not in "\x00\x0b\ufffe")
    assert read.values("og:title") == [kept]
    data = json.loads(read.text("script"))
    assert (data["name"], data["description"], data["keywords"]) == (text, text, [text])


@pytest.mark.parametrize("text", HOSTILE)
def test_nor_on_the_pages_of_channels_and_of_the_player_alone(text: str) -> None:
    for head, expected in (
        (heads.channel_head(Channel(text, [film(title=text)]), SITE), {"title", "meta", "link"}),
        (heads.embed_head(film(title=text), SITE), {"title", "link"}),
    ):
        assert {tag for tag, _ in Reader(head).found} == expected


def test_a_video_that_is_not_embeddable_has_a_picture_only() -> None:
    head = heads.film_head(film(), SITE, embeddable=False)
    assert "/embed/" not in head
    assert "oembed" not in head
    assert Reader(head).values("twitter:card") == ["summary_large_image"]


def test_an_unlisted_video_is_for_people_with_the_link_not_for_search_engines() -> None:
    assert page(visibility="unlisted").values("robots") == ["noindex"]


def test_a_video_that_is_being_prepared_promises_nothing() -> None:
    read = page(video="", thumbnail="", duration_ms=None, width=None, height=None)
    assert read.values("og:image") == []
    assert read.values("og:video") == []
    assert read.text("script") == ""
    assert read.values("og:title") == ["A ride"]


def test_a_running_live_says_so() -> None:
    live = {"started_at": "2026-11-01T10:00:00Z", "ended": False}
    data = json.loads(page(live=live, duration_ms=None).text("script"))
    assert data["publication"]["isLiveBroadcast"] is True
    assert "duration" not in data


def test_the_head_of_nothing_leaves_the_page_as_it_is() -> None:
    read = Reader(heads.fill(TEMPLATE, heads.UNKNOWN))
    assert read.text("title") == "Cinelog"
    assert read.values("description") == ["Ours."]
    assert read.values("robots") == ["noindex"]


def test_a_long_description_is_cut() -> None:
    (said,) = page(description="word " * 200).values("description")
    assert said is not None
    assert len(said) <= 300
    assert said.endswith("word…")
