"""One source file as object storage shows it, with every byte that is read counted."""

import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from shared.blobs.store import BlobInfo, BlobStore

_BLOCK = 256 << 10


class Counted:
    """``bytes`` and ``requests`` since the start, over both ways of reading."""

    def __init__(self, source: Path, url: str = "") -> None:
        self.source = source
        self.url = url
        self.bytes = 0
        self.requests = 0

    async def head(self, key: str) -> BlobInfo:
        size = self.source.stat().st_size
        return BlobInfo(key=key, size=size, etag="", modified_at=datetime.now(UTC))

    async def read(self, _key: str, start: int = 0, end: int | None = None) -> bytes:
        return self.take(start, end)

    async def open(self, _key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        yield self.take(start, end)

    async def presign_get(self, _key: str, _seconds: int) -> str:
        return self.url

    def take(self, start: int, end: int | None) -> bytes:
        with self.source.open("rb") as file:
            file.seek(start)
            data = file.read(-1 if end is None else end - start)
        self.requests += 1
        self.bytes += len(data)
        return data

    @property
    def store(self) -> BlobStore:
        return cast(BlobStore, self)


class _Ranges(BaseHTTPRequestHandler):
    counted: Counted
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        size = self.counted.source.stat().st_size
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range") or "bytes=0-")
        first = int(match[1]) if match else 0
        last = int(match[2]) if match and match[2] else size - 1
        self.counted.requests += 1
        self.send_response(206)
        self.send_header("content-length", str(last - first + 1))
        self.send_header("content-range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        with self.counted.source.open("rb") as file:
            file.seek(first)
            left = last - first + 1
            while left > 0 and (data := file.read(min(_BLOCK, left))):
                try:
                    self.wfile.write(data)
                except OSError:
                    # The reader has seen enough.
                    self.close_connection = True
                    return
                self.counted.bytes += len(data)
                left -= len(data)

    def log_message(self, *_arguments: Any) -> None:
        """Nothing: the counts are what matters."""


@contextmanager
def serving(source: Path) -> Iterator[Counted]:
    """The file behind a URL as well."""
    counted = Counted(source)
    handler = type("Ranges", (_Ranges,), {"counted": counted})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    counted.url = f"http://127.0.0.1:{server.server_address[1]}/source"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield counted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
