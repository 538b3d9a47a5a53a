"""Answers with documents that are made for a request."""

import gzip
from hashlib import sha256
from typing import Final

from services.gateway.request import conditions
from services.gateway.request.exchange import Exchange, Headers

_MIN_COMPRESSED: Final = 1024  # bytes; below, compression saves no packet


async def send(
    exchange: Exchange, status: int, document: str, content_type: bytes, headers: Headers
) -> None:
    """Answer with a document, or with 304 where the caller has it.

    What it shows may be hidden a moment later, so nothing keeps it without asking again.
    """
    body = document.encode()
    forms = ("gzip",) if len(body) >= _MIN_COMPRESSED else ()
    packed = conditions.coding(exchange.header(b"accept-encoding"), forms)
    etag = f'"{sha256(body).hexdigest()[:24]}{packed and "-" + packed}"'.encode()
    found: Headers = [
        (b"cache-control", b"no-cache"),
        (b"etag", etag),
        (b"vary", b"Accept-Encoding"),
        *headers,
    ]
    if status == 200 and conditions.matches(exchange.header(b"if-none-match"), etag):
        await exchange.answer(304, found)
        return
    if packed:
        body = gzip.compress(body, 6, mtime=0)
        found.append((b"content-encoding", b"gzip"))
    found += ((b"content-type", content_type), (b"content-length", b"%d" % len(body)))
    await exchange.answer(status, found, body)
