"""Feeds of videos: Atom (RFC 4287), and RSS 2.0 for podcasts with Media RSS and iTunes. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

import msgspec

from services.gateway.pages.catalog_facts import Film, Site
from services.gateway.pages.markup import element, leaf, text

_NAME: Final = "Cinelog"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PLAYLIST: Final = "application/vnd.apple.mpegurl"
_FILE: Final = "video/mp4"
_XML: Final = '<?xml version="1.0" encoding="utf-8"?>\n'
_MEDIA: Final = "http://search.yahoo.com/mrss/"
_ITUNES: Final = "http://www.itunes.com/dtds/podcast-1.0.dtd"
_ATOM: Final = "http://www.w3.org/2005/Atom"


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """A list of videos, newest first. ``address``: its own; ``page``: that of the same list."""

    title: str
    about: str
    address: str
    page: str
    films: Sequence[Film]

    @property
    def updated(self) -> datetime:
        """When the last of its videos was changed."""
        return max((film.updated_at for film in self.films), default=_EPOCH)


def atom(feed: Feed, site: Site) -> str:
    """The feed as Atom, with players and pictures by Media RSS."""
    entries = (_entry(film, site) for film in feed.films)
    return _XML + element(
        "feed",
        {"xmlns": _ATOM, "xmlns:media": _MEDIA},
        leaf("id", feed.page),
        leaf("title", feed.title),
        leaf("subtitle", feed.about),
        leaf("updated", feed.updated.isoformat()),
        element("link", {"rel": "self", "type": "application/atom+xml", "href": feed.address}),
        element("link", {"rel": "alternate", "type": "text/html", "href": feed.page}),
        leaf("icon", site.at("/favicon.ico")),
        *entries,
    )


def rss(feed: Feed, site: Site) -> str:
    """The feed as RSS 2.0, which podcast players read, too."""
    image = site.at("/icon-512.png")
    return _XML + element(
        "rss",
        {"version": "2.0", "xmlns:media": _MEDIA, "xmlns:itunes": _ITUNES, "xmlns:atom": _ATOM},
        element(
            "channel",
            None,
            leaf("title", feed.title),
            leaf("link", feed.page),
            leaf("description", feed.about),
            leaf("language", "en"),
            leaf("lastBuildDate", format_datetime(feed.updated)),
            leaf("generator", _NAME),
            element(
                "atom:link",
                {"rel": "self", "type": "application/rss+xml", "href": feed.address},
            ),
            element(
                "image",
                None,
                leaf("url", image),
                leaf("title", feed.title),
                leaf("link", feed.page),
            ),
            leaf("itunes:author", feed.title),
            leaf("itunes:summary", feed.about),
            leaf("itunes:explicit", "false"),
            element("itunes:image", {"href": image}),
            element("itunes:category", {"text": "TV & Film"}),
            *(_item(film, site) for film in feed.films),
        ),
    )


def _entry(film: Film, site: Site) -> str:
    url = site.watch(film)
    author = element("author", None, leaf("name", film.username), _uri(film, site))
    return element(
        "entry",
        None,
        leaf("id", url),
        leaf("title", film.title),
        leaf("published", film.created_at.isoformat()),
        leaf("updated", film.updated_at.isoformat()),
        element("link", {"rel": "alternate", "type": "text/html", "href": url}),
        author,
        *(element("category", {"term": tag.name}) for tag in film.tags),
        leaf("summary", film.description or film.title),
        _media(film, site),
    )


def _uri(film: Film, site: Site) -> str:
    return leaf("uri", site.channel(film.username)) if film.username else ""


def _item(film: Film, site: Site) -> str:
    url = site.watch(film)
    parts = [
        leaf("title", film.title),
        leaf("link", url),
        leaf("description", film.description or film.title),
        element("guid", {"isPermaLink": "true"}, url),
        leaf("pubDate", format_datetime(film.created_at)),
        *(leaf("category", tag.name) for tag in film.tags),
        leaf("itunes:author", film.username),
        leaf("itunes:explicit", "false"),
        _media(film, site),
    ]
    if film.video:
        parts.append(element("enclosure", _enclosure(film, site)))
    if film.seconds:
        parts.append(leaf("itunes:duration", str(film.seconds)))
    if film.thumbnail:
        parts.append(element("itunes:image", {"href": site.at(film.thumbnail)}))
    return element("item", None, *parts)


def _enclosure(film: Film, site: Site) -> dict[str, str]:
    """What podcast players load: the file, where anybody may have it."""
    if film.files:
        best = film.files[0]
        return {"url": site.at(best.url), "type": _FILE, "length": str(best.size)}
    # A stream has no length in bytes that would be known.
    return {"url": site.at(film.video), "type": _PLAYLIST, "length": "0"}


def _media(film: Film, site: Site) -> str:
    """The video by Media RSS (https://www.rssboard.org/media-rss)."""
    inside: list[str] = []
    if film.video:
        content = {"url": site.at(film.video), "type": _PLAYLIST, "medium": "video"}
        if film.seconds:
            content["duration"] = str(film.seconds)
        inside.append(element("media:content", content))
    inside += [
        element("media:title", {"type": "plain"}, text(film.title)),
        element("media:description", {"type": "plain"}, text(film.description or film.title)),
        element("media:player", {"url": site.watch(film)}),
    ]
    if film.thumbnail:
        picture = {"url": site.at(film.thumbnail)}
        if film.poster_size is not None:
            width, height = film.poster_size
            picture |= {"width": str(width), "height": str(height)}
        inside.append(element("media:thumbnail", picture))
    return element("media:group", None, *inside)
