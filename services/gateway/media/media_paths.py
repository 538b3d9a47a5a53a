"""What the path of a media request asks for, and as what kind of file it is answered."""

import re
from typing import Final

import msgspec

PUBLIC: Final = "public"
SHORT: Final = b"public, max-age=2"
IMMUTABLE: Final = b"public, max-age=31536000, immutable"

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}/[A-Za-z0-9._/-]{1,512}\Z")
_KINDS: Final = {
    "m3u8": (b"application/vnd.apple.mpegurl", SHORT),
    "mpd": (b"application/dash+xml", SHORT),
    "vtt": (b"text/vtt; charset=utf-8", IMMUTABLE),
    "m4s": (b"video/iso.segment", IMMUTABLE),
    "mp4": (b"video/mp4", IMMUTABLE),
    "m4a": (b"audio/mp4", IMMUTABLE),
    "webp": (b"image/webp", IMMUTABLE),
    "jpg": (b"image/jpeg", IMMUTABLE),
    "png": (b"image/png", IMMUTABLE),
}
# Of JSON this one alone is for viewers; others say where objects have moved.
_CHAT: Final = "live/chat.json"
_CHAT_KIND: Final = (b"application/json", SHORT)

# Paths that are kept, of at most this many bytes: all viewers of a public live ask for the same.
_MAX_KNOWN: Final = 4096
_MAX_KNOWN_PATH: Final = 128


class MediaPath(msgspec.Struct, frozen=True):
    """``token``: a grant, or ``public``. ``key``: the object's, of which ``name`` is what follows
    the video. ``kind``: content type, and how long caches may keep it."""

    token: str
    video: str
    name: str
    key: str
    kind: tuple[bytes, bytes]


class MediaPaths:
    """Reads paths."""

    def __init__(self) -> None:
        self._known: dict[bytes, MediaPath | None] = {}

    def read(self, path: bytes) -> MediaPath | None:
        """What a path of the route asks for; None where it can be nothing that viewers get."""
        try:
            return self._known[path]
        except KeyError:
            found = _read(path.decode("ascii"))
        if len(path) <= _MAX_KNOWN_PATH:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[path] = found
        return found


def _read(path: str) -> MediaPath | None:
    _, _, token, key = path.split("/", 3)
    video, _, name = key.partition("/")
    kind = _CHAT_KIND if name == _CHAT else _KINDS.get(name.rpartition(".")[2])
    if kind is None or _KEY.match(key) is None:
        return None
    return MediaPath(token, video, name, key, kind)
