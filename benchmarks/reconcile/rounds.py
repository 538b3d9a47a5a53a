"""One round of each service's reconciliation, in a process of its own."""

import multiprocessing
import resource
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import msgspec
import uvloop

from services.ingest.main import assemble
from services.transcoder.coordinator.deletion_repository import Delays, DeletionRepository
from services.transcoder.coordinator.reconcile_repository import ReconcileRepository
from services.transcoder.coordinator.reconciling import Reconciliation
from shared.blobs.s3 import S3Store, s3_client
from shared.host.host import open_host
from shared.reconciliation import Finding
from tests.integration.ingest.harness import config
from tests.support.buckets import Buckets
from tests.support.databases import Database

# As in services.transcoder.main.
_CONNECTIONS: Final = 8
# Every object counts as old enough to be an orphan, so each is compared.
_ORPHAN_AGE: Final = timedelta(seconds=1)
_DELAY: Final = timedelta(days=1)


class Round(msgspec.Struct, frozen=True):
    """``peak_mb``: resident megabytes of its process at most, ``start_mb`` before it."""

    seconds: float
    cpu: float
    findings: int
    start_mb: float
    peak_mb: float


def transcoder_round(database: Database, s3: Buckets) -> Round:
    """Compare all videos with the media bucket."""
    return _apart(_transcoder, database, s3)


def ingest_round(database: Database, s3: Buckets) -> Round:
    """Compare all sources with the log."""
    return _apart(_ingest, database, s3)


async def _transcoder(database: Database, s3: Buckets) -> Round:
    async with (
        open_host() as host,
        s3_client(s3.endpoint, s3.region, s3.access_key, s3.secret_key) as client,
    ):
        url = database.url("transcoder")
        engine = await host.engine(url, size=_CONNECTIONS)
        reconciliation = Reconciliation(
            ReconcileRepository(engine),
            await host.log(url),
            S3Store(client, s3.media),
            DeletionRepository(engine, Delays(deleted=_DELAY, others=_DELAY)),
            _ORPHAN_AGE,
        )
        return await _timed(lambda: reconciliation.round(dry_run=False))


async def _ingest(database: Database, s3: Buckets) -> Round:
    async with open_host() as host:
        ingest = await assemble(config(database, s3, orphan_seconds=1.0), host)
        return await _timed(lambda: ingest.sweep.reconcile(dry_run=False))


async def _timed(work: Callable[[], Awaitable[list[Finding]]]) -> Round:
    start = _resident_mb()
    began, cpu = time.perf_counter(), time.process_time()
    found = await work()
    return Round(
        seconds=time.perf_counter() - began,
        cpu=time.process_time() - cpu,
        findings=len(found),
        start_mb=start,
        peak_mb=_resident_mb(),
    )


def _resident_mb() -> float:
    """The most that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _apart(
    work: Callable[[Database, Buckets], Awaitable[Round]], database: Database, s3: Buckets
) -> Round:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_run, (work, database, s3))


def _run(
    work: Callable[[Database, Buckets], Awaitable[Round]], database: Database, s3: Buckets
) -> Round:
    return uvloop.run(work(database, s3))  # pyright: ignore[reportArgumentType]
