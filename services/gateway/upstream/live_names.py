"""What a request for a part of a running live asks for, read from its name and its query."""

import re
from typing import Final

import msgspec

# Names below ``live/`` that the owner may have. Those of a recording are others, all in the bucket.
_PLAYLIST: Final = re.compile(r"live/((?!vod\.|dvr\.)[a-z0-9]{1,12}\.m3u8|live\.mpd)\Z")
# Playlists that reach further back than any window; the log has them.
_DVR: Final = re.compile(r"live/(dvr(?:-[a-z0-9]{1,12})?\.m3u8)\Z")
_MEDIA: Final = re.compile(
    r"live/([0-9]{1,9}/[a-z0-9]{1,12}/"
    r"(?:(?:0|[1-9][0-9]{0,8})(\.(?:0|[1-9][0-9]{0,4}))?\.m4s|init-[0-9a-f]{16}\.mp4))\Z"
)
_NUMBER: Final = re.compile(rb"(_HLS_msn=[0-9]{1,9}|_HLS_part=[0-9]{1,5})\Z")
_SKIPS: Final = (b"_HLS_skip=YES", b"_HLS_skip=v2")

# How many are kept, each with a query of at most this many bytes.
_MAX_KNOWN: Final = 4096
_MAX_KNOWN_QUERY: Final = 128


class Asked(msgspec.Struct, frozen=True):
    """``name`` is the owner's. ``wanted``: the directives of a playlist, "" or with their question
    mark. ``playlist`` and ``back`` (it reaches further back than a window), or a segment; ``part``
    of one. ``key``: all of it, to keep answers by."""

    name: str
    wanted: str
    key: str
    playlist: bool = False
    back: bool = False
    part: bool = False


class Names:
    """Reads names. All viewers of a live ask for the same ones, so what was read is kept."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bytes], Asked | None] = {}

    def read(self, name: str, query: bytes) -> Asked | None:
        """What is asked for; None for what no owner of a live has."""
        try:
            return self._known[name, query]
        except KeyError:
            found = _read(name, query)
        if len(query) <= _MAX_KNOWN_QUERY:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[name, query] = found
        return found


def _read(name: str, query: bytes) -> Asked | None:
    back = _DVR.match(name)
    playlist = back or _PLAYLIST.match(name)
    if playlist is not None:
        wanted = directives(query, waits=back is None)
        return Asked(playlist[1], wanted, f"{name}{wanted}", playlist=True, back=back is not None)
    media = _MEDIA.match(name)
    if media is None:
        return None
    return Asked(media[1], "", name, part=media[2] is not None)


def directives(query: bytes, *, waits: bool = True) -> str:
    """The delivery directives of a reload, each once and in one form; all else is left out.

    Each further way to write a reload would be one more request to the owner. ``waits``: whether
    the playlist is one that waits for a segment.
    """
    known: dict[bytes, bytes] = {}
    for part in query.split(b"&"):
        if part in _SKIPS:
            known.setdefault(b"_HLS_skip", b"YES")
        elif waits and _NUMBER.match(part):
            name, _, digits = part.partition(b"=")
            known.setdefault(name, b"%d" % int(digits))
    if b"_HLS_msn" not in known:
        known.pop(b"_HLS_part", None)
    text = b"&".join(b"%b=%b" % pair for pair in sorted(known.items()))
    return f"?{text.decode()}" if text else ""
