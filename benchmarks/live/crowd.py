"""``python -m benchmarks.live.crowd URL VIEWERS SECONDS``: viewers as hls.js is one, and no more.

Each waits for a playlist's next part and then loads it, of the picture and of the sound: the
requests of a player at the edge of a live, at their real rate. Prints how many were answered.
"""

import asyncio
import re
import sys
import time
from typing import Final
from urllib.parse import urlsplit

_HINT: Final = re.compile(rb'PRELOAD-HINT:TYPE=PART,URI="[^"]+/(\d+)\.(\d+)\.m4s"')
_PART: Final = b"#EXT-X-PART:"
_URI: Final = re.compile(rb'URI="([^"]+)"')
_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_TRACKS: Final = ("top", "a")
_RETRY_SECONDS: Final = 0.2


class Track:
    """One viewer's connection for one track. ``folder``: the path of the live's playlists."""

    def __init__(self, url: str, track: str, address: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._folder = parts.path.rpartition("/")[0]
        self._track = track
        self._head = f"Host: {parts.netloc}\r\nX-Forwarded-For: {address}\r\n\r\n"
        self.answers = 0
        self.refused = 0

    async def follow(self, until: float) -> None:
        """Load what comes, until a time of the event loop's clock."""
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=1 << 20)
        loop = asyncio.get_running_loop()
        playlist = f"{self._track}.m3u8"
        body = await self._get(reader, writer, playlist)
        seen = ""
        while loop.time() < until:
            hint = _HINT.search(body)
            if hint is None:
                await asyncio.sleep(_RETRY_SECONDS)
                body = await self._get(reader, writer, playlist)
                continue
            number, index = hint[1].decode(), hint[2].decode()
            directives = f"?_HLS_msn={number}&_HLS_part={index}&_HLS_skip=YES"
            body = await self._get(reader, writer, playlist + directives)
            part = _newest_part(body)
            if part != seen:
                await self._get(reader, writer, part)
                seen = part
        writer.close()

    async def _get(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str
    ) -> bytes:
        writer.write(f"GET {self._folder}/{name} HTTP/1.1\r\n{self._head}".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        assert length, head
        body = await reader.readexactly(int(length[1]))
        if head.startswith(b"HTTP/1.1 200"):
            self.answers += 1
        else:
            self.refused += 1
        return body


def _newest_part(playlist: bytes) -> str:
    """The address of the part that stands last; "" where there is none."""
    found = _URI.search(playlist, max(playlist.rfind(_PART), 0))
    return found[1].decode() if found else ""


async def watch(url: str, viewers: int, seconds: float) -> tuple[int, int]:
    """How many requests were answered, and how many refused."""
    until = asyncio.get_running_loop().time() + seconds
    tracks = [
        Track(url, track, f"10.1.{viewer // 250}.{viewer % 250 + 1}")
        for viewer in range(viewers)
        for track in _TRACKS
    ]
    await asyncio.gather(*(track.follow(until) for track in tracks))
    return sum(track.answers for track in tracks), sum(track.refused for track in tracks)


def main() -> None:
    """Watch, and say what came of it."""
    url, viewers, seconds = sys.argv[1:]
    began = time.monotonic()
    answers, refused = asyncio.run(watch(url, int(viewers), float(seconds)))
    sys.stdout.write(f"{answers} {refused} {time.monotonic() - began:.3f}\n")


if __name__ == "__main__":
    main()
