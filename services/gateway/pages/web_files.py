"""The web client's files, from the folder that its build writes.

The files are kept in memory with their compressed forms, and read again after a new build. A path
without an extension, or one that a browser opens as a page, is one of the client's own pages: the
answer is ``index.html``.
"""

import gzip
import mimetypes
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from services.gateway import security_headers
from services.gateway.request import conditions
from services.gateway.request.exchange import Exchange
from services.gateway.request.routes import Route

_CHECK_SECONDS: Final = 2.0  # between two looks for a newer build
_MAX_FILE: Final = 16 * 1024 * 1024  # bytes; a larger file is not served
_MIN_COMPRESSED: Final = 1024  # bytes; below, compression saves no packet
_HASHED: Final = re.compile(r"[.-][A-Za-z0-9_-]{8,}\.[a-z0-9]+\Z")
_COMPRESSIBLE: Final = re.compile(
    r"text/|application/(?:javascript|json|manifest\+json|xml|wasm)|image/svg"
)
_TYPES: Final = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
    ".ico": "image/x-icon",
    ".wasm": "application/wasm",
}
_NOT_BUILT: Final = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Cinelog</title>
<style>body{font:16px/1.5 system-ui;max-width:36rem;margin:15vh auto;padding:0 1rem}</style>
<h1>Cinelog is running</h1><p>The web client is not built yet. Build it in <code>web/</code> with
<code>npm ci &amp;&amp; npm run build</code>, or start everything with <code>make up</code>.</p>
<p>The API is described at <a href="/docs">/docs</a>.</p></html>
"""


class _File(msgspec.Struct, frozen=True):
    """A file. ``forms`` are its bytes by content coding, "" for the plain ones."""

    forms: dict[str, bytes]
    etag: str
    content_type: str
    immutable: bool


class WebFiles:
    """The handler of all paths that no other route has. ``root`` may not exist yet.

    ``policy``: the content security policy of the pages.
    """

    def __init__(self, root: Path | None, policy: str, clock: Callable[[], float]) -> None:
        self._root = root
        self._policy = policy
        self._clock = clock
        self._files: dict[str, _File] = {}
        self._built = 0.0
        self._check_at = 0.0

    def page(self, name: str) -> str | None:
        """A page as it was built; None before that."""
        self._refresh()
        found = self._files.get(name)
        return found.forms[""].decode() if found else None

    async def __call__(self, exchange: Exchange, _route: Route) -> None:
        self._refresh()
        path = exchange.path.decode("ascii").lstrip("/")
        page = security_headers.page_headers(self._policy, exchange.secure)
        found = self._files.get(path)
        # The Accept header tells a page from a file: names of users and tags may contain a dot.
        page_wanted = b"text/html" in exchange.header(b"accept")
        if found is None and (page_wanted or "." not in path.rpartition("/")[2]):
            found = self._files.get("index.html")
            if found is None:
                kind = [(b"content-type", b"text/html; charset=utf-8"), (b"retry-after", b"5")]
                await exchange.answer(503, [*kind, *page], _NOT_BUILT)
                return
        if found is None:
            await exchange.fail(404)
            return
        coding = conditions.coding(exchange.header(b"accept-encoding"), found.forms)
        etag = f'"{found.etag}{coding and "-" + coding}"'.encode()
        lifetime = b"public, max-age=31536000, immutable" if found.immutable else b"no-cache"
        headers = [(b"etag", etag), (b"cache-control", lifetime), (b"vary", b"Accept-Encoding")]
        if conditions.matches(exchange.header(b"if-none-match"), etag):
            await exchange.answer(304, [*headers, *page])
            return
        body = found.forms[coding]
        headers.append((b"content-type", found.content_type.encode()))
        headers.append((b"content-length", b"%d" % len(body)))
        if coding:
            headers.append((b"content-encoding", coding.encode()))
        await exchange.answer(200, [*headers, *page], body)

    def _refresh(self) -> None:
        """Read the folder again where its build is newer than the files in memory."""
        now = self._clock()
        if self._root is None or now < self._check_at:
            return
        self._check_at = now + _CHECK_SECONDS
        try:
            built = (self._root / "index.html").stat().st_mtime
        except OSError:
            return
        if built != self._built:
            self._files = _read(self._root)
            self._built = built


def _read(root: Path) -> dict[str, _File]:
    found: dict[str, _File] = {}
    for path in sorted(root.rglob("*")):
        compressed = path.suffix in (".gz", ".br")
        if not path.is_file() or compressed or path.stat().st_size > _MAX_FILE:
            continue
        data = path.read_bytes()
        kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
        kind = kind or "application/octet-stream"
        forms = {"": data}
        for coding, suffix in (("br", ".br"), ("gzip", ".gz")):
            beside = path.with_name(path.name + suffix)
            if beside.is_file():
                forms[coding] = beside.read_bytes()
        if "gzip" not in forms and len(data) >= _MIN_COMPRESSED and _COMPRESSIBLE.match(kind):
            forms["gzip"] = gzip.compress(data, 9, mtime=0)
        found[path.relative_to(root).as_posix()] = _File(
            forms=forms,
            etag=sha256(data).hexdigest()[:24],
            content_type=f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
            immutable=path.parent != root and _HASHED.search(path.name) is not None,
        )
    return found
