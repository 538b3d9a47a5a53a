"""``/api/v1/videos/{id}/download``: a video as one MP4 file, put together of its objects.

The catalog says who may have it, and which index belongs to it. The index has the file's beginning
and says where the rest lies (``shared.download_index``), so any part of the file can be had, and no
copy of it is stored or made.
"""

import re
from typing import Final

import msgspec

from services.gateway.http1.h1_client import Response
from services.gateway.http1.h1_errors import UpstreamError
from services.gateway.request.conditions import matches
from services.gateway.request.exchange import Exchange, Headers
from services.gateway.request.ranges import asked_part
from services.gateway.request.routes import Route
from services.gateway.security_headers import media_headers
from services.gateway.upstream.object_storage import ObjectStorage
from services.gateway.upstream.parts_download import PartsDownload
from services.gateway.upstream.upstreams import Upstream
from shared import download_index
from shared.download_index import DownloadIndex, DownloadPlace, Part

# Whether it may still be had is asked each time.
_LIFETIME: Final = b"private, no-cache"
_DISPOSITION: Final = re.compile(r"attachment; [\x20-\x7e]{1,2000}\Z")
_SECONDS: Final = 5.0


class _Answer(msgspec.Struct, frozen=True):
    data: DownloadPlace


class Downloads:
    """The handler of downloads."""

    def __init__(self, catalog: Upstream, storage: ObjectStorage) -> None:
        self._catalog = catalog
        self._storage = storage

    async def __call__(self, exchange: Exchange, route: Route) -> None:
        asked = await self._ask(exchange)
        if asked.status != 200:
            try:
                await exchange.relay(asked)
            finally:
                asked.close()
            return
        file = await _read_file(asked)
        etag = b'"%b"' % file.etag.encode()
        headers = _headers(exchange, file, etag)
        if matches(exchange.header(b"if-none-match"), etag):
            await exchange.answer(304, headers)
            return
        part = _part(exchange, file, etag)
        if part is not None and part[0] > part[1]:
            await exchange.fail(416, (b"content-range", b"bytes */%d" % file.size))
            return
        first, last = part or (0, file.size - 1)
        headers.append((b"content-length", b"%d" % (last + 1 - first)))
        if part is not None:
            extent = (first, last, file.size)
            headers.append((b"content-range", b"bytes %d-%d/%d" % extent))
        status = 200 if part is None else 206
        if exchange.method == "HEAD":
            await exchange.answer(status, headers)
        else:
            await self._send(exchange, file, route.timeout, (status, headers, first, last))

    async def _ask(self, exchange: Exchange) -> Response:
        """The catalog's answer to whether the caller may have the file."""
        trace, authorization = exchange.trace, exchange.request_headers.authorization
        lines = [
            b"GET %b%b%b HTTP/1.1\r\nhost: %b\r\n"
            % (
                exchange.path,
                b"?" if exchange.query else b"",
                exchange.query,
                self._catalog.authority,
            ),
            b"x-request-id: %b\r\ntraceparent: %b\r\n" % (trace.span_id, trace.traceparent),
            b"x-cinelog-client: %b\r\naccept: application/json\r\n" % exchange.client.encode(),
        ]
        if authorization:
            lines.append(b"authorization: %b\r\n" % authorization)
        return await self._catalog.request(
            b"".join((*lines, b"\r\n")), idempotent=True, timeout=_SECONDS, on_slow=exchange.watch
        )

    async def _send(
        self,
        exchange: Exchange,
        file: DownloadPlace,
        timeout: float,
        answer: tuple[int, Headers, int, int],
    ) -> None:
        status, headers, first, last = answer

        async def fetch(key: str, lines: list[bytes]) -> Response:
            found = await self._storage.fetch(key, lines, timeout=timeout, on_slow=exchange.watch)
            exchange.watch(found)
            return found

        begin = Part(file.index, 0, file.head - 1)
        rest = DownloadIndex((), ())
        if last >= file.head:
            listed = Part(file.index, file.head, file.index_bytes - 1)
            rest = await _read_index(PartsDownload(iter((listed,)), fetch), file)
        source = PartsDownload(download_index.parts(begin, rest, first, last), fetch)
        try:
            await source.begin()
            await exchange.send_source(status, headers, source)
        finally:
            source.close()


async def _read_file(asked: Response) -> DownloadPlace:
    try:
        body = bytearray()
        while data := await asked.read():
            body += data
        file = msgspec.json.decode(body, type=_Answer).data
    except msgspec.DecodeError:
        raise UpstreamError("the catalog's answer has another shape") from None
    finally:
        asked.close()
    fits = 0 < file.head < file.index_bytes and file.head < file.size
    if not fits or _DISPOSITION.match(file.disposition) is None:
        raise UpstreamError("the catalog's answer has another shape")
    return file


async def _read_index(stored: PartsDownload, file: DownloadPlace) -> DownloadIndex:
    """Where the file's bytes lie behind its beginning."""
    body = bytearray()
    try:
        await stored.begin()
        while data := await stored.read():
            body += data
            if len(body) > download_index.MAX_BYTES:
                raise UpstreamError("the index of a download is too large")
    finally:
        stored.close()
    found = download_index.read_index(bytes(body), file.video_id)
    if found is None or file.head + found.size != file.size:
        raise UpstreamError("the index of a download has another shape")
    return found


def _headers(exchange: Exchange, file: DownloadPlace, etag: bytes) -> Headers:
    return [
        (b"content-type", b"video/mp4"),
        (b"content-disposition", file.disposition.encode()),
        (b"etag", etag),
        (b"accept-ranges", b"bytes"),
        (b"cache-control", _LIFETIME),
        *media_headers(secure=exchange.secure),
    ]


def _part(exchange: Exchange, file: DownloadPlace, etag: bytes) -> tuple[int, int] | None:
    """The bytes that are asked for, None for all: a range of another file counts for nothing."""
    condition = exchange.header(b"if-range")
    if condition and condition != etag:
        return None
    return asked_part(exchange.header(b"range"), file.size)
