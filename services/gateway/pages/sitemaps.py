"""Sitemaps (https://www.sitemaps.org) with entries of videos, and robots.txt. Pure.

An index names pages, each of which has as many videos as a list of the catalog.
"""

from collections.abc import Sequence
from typing import Final

from services.gateway.pages.catalog_facts import PAGE, Film, Site
from services.gateway.pages.markup import element, leaf, text

PAGES: Final = 200
"""Sitemaps of the site, of the newest videos. Lists of the catalog are no longer than these."""

_XML: Final = '<?xml version="1.0" encoding="utf-8"?>\n'
_SITEMAPS: Final = "http://www.sitemaps.org/schemas/sitemap/0.9"
_VIDEOS: Final = "http://www.google.com/schemas/sitemap-video/1.1"
_LONGEST: Final = 2048  # characters of a description, by the format
_MOST_TAGS: Final = 32  # by the format
# Pages that show nothing to somebody who is not signed in.
_OWN: Final = ("/account", "/live", "/upload", "/videos", "/watch/*/story")


def index(total: int, site: Site) -> str:
    """The index of the sitemaps of ``total`` videos."""
    pages = min(PAGES, max(1, -(-total // PAGE)))
    found = (
        element("sitemap", None, leaf("loc", site.at(f"/sitemaps/{page}.xml")))
        for page in range(1, pages + 1)
    )
    return _XML + element("sitemapindex", {"xmlns": _SITEMAPS}, *found)


def page(films: Sequence[Film], site: Site, *, embeddable: bool) -> str:
    """One sitemap: videos, and the channels that they are of."""
    channels = dict.fromkeys(film.username for film in films if film.username)
    return _XML + element(
        "urlset",
        {"xmlns": _SITEMAPS, "xmlns:video": _VIDEOS},
        *(element("url", None, leaf("loc", site.channel(name))) for name in channels),
        *(_url(film, site, embeddable=embeddable) for film in films),
    )


def robots(site: Site) -> str:
    """robots.txt (RFC 9309)."""
    closed = "".join(f"Disallow: {path}\n" for path in _OWN)
    return f"User-agent: *\n{closed}\nSitemap: {site.at('/sitemap.xml')}\n"


def _url(film: Film, site: Site, *, embeddable: bool) -> str:
    parts = [
        leaf("loc", site.watch(film)),
        leaf("lastmod", film.updated_at.isoformat()),
    ]
    # Without a picture and something to play, an entry of a video is not valid.
    if film.thumbnail and film.video:
        parts.append(_video(film, site, embeddable=embeddable))
    return element("url", None, *parts)


def _video(film: Film, site: Site, *, embeddable: bool) -> str:
    parts = [
        leaf("video:thumbnail_loc", site.at(film.thumbnail)),
        leaf("video:title", film.title),
        leaf("video:description", (film.description or film.title)[:_LONGEST]),
        leaf("video:content_loc", site.at(film.video)),
    ]
    if embeddable:
        parts.append(leaf("video:player_loc", site.embed(film)))
    if film.seconds:
        parts.append(leaf("video:duration", str(min(film.seconds, 28_800))))
    parts += [
        leaf("video:view_count", str(film.views)),
        leaf("video:publication_date", film.created_at.isoformat()),
        *(leaf("video:tag", tag.name) for tag in film.tags[:_MOST_TAGS]),
    ]
    if film.username:
        uploader = {"info": site.channel(film.username)}
        parts.append(element("video:uploader", uploader, text(film.username)))
    parts.append(leaf("video:live", "yes" if film.live and not film.live.ended else "no"))
    return element("video:video", None, *parts)
