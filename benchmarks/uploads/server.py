"""One ingest process: prints its address and a token, ends when its standard input closes."""

import asyncio
import sys

import msgspec
import uvloop

from tests.integration.ingest.harness import config, running
from tests.support.buckets import Buckets
from tests.support.databases import Database


class Setup(msgspec.Struct, frozen=True):
    """``sync_url`` is None where nobody syncs."""

    database: Database
    buckets: Buckets
    sync_url: str | None


async def serve(setup: Setup) -> None:
    """Serve until standard input closes."""
    settings = config(
        setup.database, setup.buckets, s3_sync_url=setup.sync_url, max_upload_bytes=1 << 30
    )
    async with running(settings, setup.buckets) as ingest:
        sys.stdout.write(f"{ingest.url} {ingest.token('ann')}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.buffer.read)


if __name__ == "__main__":
    uvloop.run(serve(msgspec.json.decode(sys.argv[1], type=Setup)))
