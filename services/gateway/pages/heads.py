"""The head of a page, for programs that read it without running it. Pure.

Search engines, chats and feed readers see title, picture and player here; people see what the
client makes of the page.
"""

import re
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from services.gateway.pages.catalog_facts import Channel, Film, Part, Site
from services.gateway.pages.markup import element, json_script, leaf, one_line

_NAME: Final = "Cinelog"
_TITLE: Final = re.compile(r"<title>[^<]*</title>")
_DESCRIPTION: Final = re.compile(r'\s*<meta name="description"[^>]*>')
_LONGEST: Final = 300  # characters of a description

UNKNOWN: Final = element("meta", {"name": "robots", "content": "noindex"})
"""What the head of a page says that shows nothing."""


def fill(template: str, head: str) -> str:
    """The built page with ``head``; it replaces title and description where it has its own."""
    if "<title>" in head:
        page = _DESCRIPTION.sub("", template, count=1)
        return _TITLE.sub(lambda _: head, page, count=1)
    return _TITLE.sub(lambda found: found.group() + head, template, count=1)


def film_head(film: Film, site: Site, *, embeddable: bool) -> str:
    """Of the page of a video. ``embeddable``: other sites may show its player."""
    url, plays = site.watch(film), embeddable and bool(film.video)
    facts = [
        *_names(film.title, film.description, url),
        _property("og:type", "video.other"),
        *_image(film, site),
        *(_player(film, site) if plays else ()),
        _meta("twitter:card", "player" if plays else "summary_large_image"),
    ]
    if film.visibility != "public":
        facts.append(UNKNOWN)
    if embeddable:
        facts += [_oembed(film, site, kind) for kind in ("json", "xml")]
    if film.seconds:
        facts.append(_property("video:duration", str(film.seconds)))
    facts.append(_property("video:release_date", film.created_at.isoformat()))
    facts += [_property("video:tag", tag.name) for tag in film.tags]
    if film.thumbnail:
        facts.append(json_script(_video_object(film, site, embeddable=plays)))
    return "\n".join(facts)


def embed_head(film: Film, site: Site) -> str:
    """Of the page that has the player alone."""
    return "\n".join((_title(film.title), _canonical(site.watch(film))))


def channel_head(channel: Channel, site: Site) -> str:
    """Of the page of a channel."""
    url = site.channel(channel.username)
    facts = [
        *_names(channel.username, f"Videos by {channel.username}.", url),
        _property("og:type", "profile"),
        _property("profile:username", channel.username),
        _meta("twitter:card", "summary"),
        *(_feed(f"{url}/feed.{kind}", channel.username, kind) for kind in ("atom", "rss")),
    ]
    if channel.videos:
        facts += _image(channel.videos[0], site)
    return "\n".join(facts)


def _names(title: str, description: str, url: str) -> list[str]:
    about = one_line(description, _LONGEST) or title
    return [
        _title(title),
        _meta("description", about),
        _canonical(url),
        _property("og:site_name", _NAME),
        _property("og:title", title),
        _property("og:description", about),
        _property("og:url", url),
        _meta("twitter:title", title),
        _meta("twitter:description", about),
    ]


def _title(title: str) -> str:
    return leaf("title", f"{one_line(title, _LONGEST)} · {_NAME}")


def _canonical(url: str) -> str:
    return element("link", {"rel": "canonical", "href": url})


def _meta(name: str, content: str) -> str:
    return element("meta", {"name": name, "content": content})


def _property(name: str, content: str) -> str:
    return element("meta", {"property": name, "content": content})


def _image(film: Film, site: Site) -> list[str]:
    if not film.thumbnail:
        return []
    address = site.at(film.thumbnail)
    found = [
        _property("og:image", address),
        _property("og:image:alt", film.title),
        _meta("twitter:image", address),
    ]
    if film.poster_size is not None:
        width, height = film.poster_size
        found.append(_property("og:image:width", str(width)))
        found.append(_property("og:image:height", str(height)))
    return found


def _player(film: Film, site: Site) -> list[str]:
    address = site.embed(film)
    width, height = (str(side) for side in film.player_size())
    found = [
        _property("og:video", address),
        _property("og:video:type", "text/html"),
        _property("og:video:width", width),
        _property("og:video:height", height),
        _meta("twitter:player", address),
        _meta("twitter:player:width", width),
        _meta("twitter:player:height", height),
    ]
    if address.startswith("https:"):
        found.append(_property("og:video:secure_url", address))
    return found


def _oembed(film: Film, site: Site, kind: str) -> str:
    query = urlencode({"url": site.watch(film), "format": kind})
    types = {"json": "application/json+oembed", "xml": "text/xml+oembed"}
    return element(
        "link",
        {
            "rel": "alternate",
            "type": types[kind],
            "href": site.at(f"/oembed?{query}"),
            "title": film.title,
        },
    )


def _feed(address: str, title: str, kind: str) -> str:
    return element(
        "link",
        {"rel": "alternate", "type": f"application/{kind}+xml", "href": address, "title": title},
    )


def _video_object(film: Film, site: Site, *, embeddable: bool) -> dict[str, Any]:
    """https://schema.org/VideoObject."""
    found: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "VideoObject",
        "name": film.title,
        "description": film.description or film.title,
        "thumbnailUrl": [site.at(film.thumbnail)],
        "uploadDate": film.created_at.isoformat(),
        "url": site.watch(film),
        "interactionStatistic": {
            "@type": "InteractionCounter",
            "interactionType": {"@type": "WatchAction"},
            "userInteractionCount": film.views,
        },
    }
    if film.video:
        found["contentUrl"] = site.at(film.video)
    if embeddable:
        found["embedUrl"] = site.embed(film)
    if film.seconds:
        found["duration"] = f"PT{film.seconds}S"
    if film.username:
        author = {"name": film.username, "url": site.channel(film.username)}
        found["author"] = {"@type": "Person", **author}
    if film.tags:
        found["keywords"] = [tag.name for tag in film.tags]
    if film.chapters:
        found["hasPart"] = [_clip(part, film, site) for part in film.chapters]
    if film.live and film.live.started_at:
        found["publication"] = _broadcast(film.live.started_at, running=not film.live.ended)
    return found


def _clip(part: Part, film: Film, site: Site) -> dict[str, Any]:
    """https://schema.org/Clip, by which search engines show the moments of a video."""
    start = part.start_ms // 1000
    return {
        "@type": "Clip",
        "name": part.title,
        "startOffset": start,
        "endOffset": part.end_ms // 1000,
        "url": site.watch(film, start),
    }


def _broadcast(started_at: datetime, *, running: bool) -> dict[str, Any]:
    return {
        "@type": "BroadcastEvent",
        "isLiveBroadcast": running,
        "startDate": started_at.isoformat(),
    }
