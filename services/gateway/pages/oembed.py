"""oEmbed (https://oembed.com): how another site shows a video, from its address. Pure."""

import re
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from services.gateway.pages.catalog_facts import Film, Site
from services.gateway.pages.markup import element, leaf

_PAGE: Final = re.compile(r"/(?:watch|embed)/([0-9A-Fa-f-]{36})/?\Z")
_TIME: Final = re.compile(r"[0-9hms:.]{1,16}\Z")
_WIDTH: Final = 640  # pixels, where nothing else is asked for
_HEIGHT: Final = 360
_MOST: Final = 10_000
_ALLOWED: Final = "autoplay; fullscreen; picture-in-picture"


class Refused(Exception):
    """The question cannot be answered. ``status`` is what oEmbed says of it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Question(msgspec.Struct, frozen=True):
    """Which video is to be shown how: at most so many pixels, beginning at ``start``."""

    video_id: str
    width: int
    height: int
    form: str
    start: str


def read_question(query: str, site: Site) -> Question:
    """The question of a query. Raises Refused."""
    values = _values(query)
    form = values.get("format", "json")
    if form not in ("json", "xml"):
        raise Refused(501)
    if "url" not in values:
        raise Refused(400)
    try:
        asked, own = urlsplit(values["url"]), urlsplit(site.origin)
    except ValueError:
        raise Refused(404) from None
    page = _PAGE.match(unquote(asked.path))
    if asked.scheme not in ("http", "https") or asked.netloc != own.netloc or page is None:
        raise Refused(404)
    start = _values(asked.query).get("t", "")
    return Question(
        video_id=page[1],
        width=_pixels(values.get("maxwidth"), _WIDTH if "maxheight" not in values else _MOST),
        height=_pixels(values.get("maxheight"), _HEIGHT if "maxwidth" not in values else _MOST),
        form=form,
        start=start if _TIME.match(start) else "",
    )


def answer(film: Film, site: Site, question: Question) -> dict[str, Any]:
    """The answer, of type ``video``."""
    width, height = film.player_size(question.width, question.height)
    found: dict[str, Any] = {
        "type": "video",
        "version": "1.0",
        "title": film.title,
        "provider_name": "Cinelog",
        "provider_url": site.at("/"),
        "width": width,
        "height": height,
        "html": _frame(film, site, question.start, width, height),
    }
    if film.username:
        found |= {"author_name": film.username, "author_url": site.channel(film.username)}
    if film.poster_size is not None:
        across, down = film.poster_size
        found |= {
            "thumbnail_url": site.at(film.thumbnail),
            "thumbnail_width": across,
            "thumbnail_height": down,
        }
    return found


def as_xml(found: dict[str, Any]) -> str:
    """The same as XML."""
    inside = (leaf(name, str(value)) for name, value in found.items())
    return f'<?xml version="1.0" encoding="utf-8"?>\n{element("oembed", None, *inside)}\n'


def _frame(film: Film, site: Site, start: str, width: int, height: int) -> str:
    return element(
        "iframe",
        {
            "src": site.embed(film) + (f"?t={start}" if start else ""),
            "width": str(width),
            "height": str(height),
            "title": film.title,
            "allow": _ALLOWED,
            "style": "border:0",
        },
        "",
    )


def _values(query: str) -> dict[str, str]:
    """The first value of each field. Raises Refused."""
    try:
        return {name: found[0] for name, found in parse_qs(query, max_num_fields=20).items()}
    except ValueError:
        raise Refused(400) from None


def _pixels(value: str | None, otherwise: int) -> int:
    """A number of pixels from a query. Raises Refused."""
    if value is None:
        return otherwise
    if not value.isascii() or not value.isdigit() or len(value) > 6 or int(value) < 1:
        raise Refused(400)
    return min(int(value), _MOST)
