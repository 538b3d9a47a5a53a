"""Fills log, tables and buckets with completed videos, without encoding anything."""

import asyncio
import hashlib
import hmac
import itertools
import urllib.parse
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import aiohttp
import asyncpg

from benchmarks.events.history import write
from benchmarks.reconcile.videos import SIZE, Video, video
from shared.contracts import encode
from tests.support.buckets import Buckets

_PAGE = 1000
_WRITERS = 48


async def fill(admin_url: str, s3: Buckets, count: int) -> int:
    """Put ``count`` videos everywhere; returns how many objects that were."""
    await write(admin_url, (event for number in range(count) for event in video(number).events))
    await _write_jobs(admin_url, count)
    objects = itertools.chain(
        ((s3.sources, each.source, SIZE) for each in _videos(count)),
        ((s3.media, key, size) for each in _videos(count) for key, size in each.media.items()),
    )
    return await _put(s3, objects)


def _videos(count: int) -> Iterator[Video]:
    return (video(number) for number in range(count))


async def _write_jobs(admin_url: str, count: int) -> None:
    connection = await asyncpg.connect(admin_url)
    videos = _videos(count)
    while page := list(itertools.islice(videos, _PAGE)):
        await connection.executemany(
            "insert into transcoder.jobs (video_id, user_id, source_key, size, attempt, state,"
            " playable, changes, published, plan, correlation_id)"
            " values ($1, $2, $3, $4, 1, 'completed', true, 4, 4, $5, $1)",
            [(v.id, v.user_id, v.source, SIZE, encode(v.plan).decode()) for v in page],
        )
    await connection.execute("analyze transcoder.jobs")
    await connection.close()


async def _put(s3: Buckets, objects: Iterable[tuple[str, str, int]]) -> int:
    """Store them with requests that are signed here: botocore would take minutes to."""
    waiting = iter(objects)
    stored = itertools.count()

    async def write_some(session: aiohttp.ClientSession) -> None:
        for bucket, key, size in waiting:
            path = f"/{bucket}/{urllib.parse.quote(key)}"
            headers = _signed(s3, path)
            async with session.put(s3.endpoint + path, data=b"x" * size, headers=headers) as answer:
                if answer.status != 200:
                    raise RuntimeError(f"{answer.status} {await answer.text()}")
            next(stored)

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(write_some(session) for _ in range(_WRITERS)))
    return next(stored)


def _signed(s3: Buckets, path: str) -> dict[str, str]:
    """The headers of a PUT with AWS Signature Version 4 and an unsigned body."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    host = urllib.parse.urlsplit(s3.endpoint).netloc
    headers = {"host": host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": now}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"PUT\n{path}\n\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
    scope = f"{now[:8]}/{s3.region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{s3.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}".encode(), "sha256")
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={s3.access_key}/{scope},SignedHeaders={names},"
        f"Signature={signature.hex()}"
    )
    return headers
