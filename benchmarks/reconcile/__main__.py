"""``python -m benchmarks.reconcile``: seconds that ``cinelog reconcile`` takes; see README.md."""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable

from benchmarks.reconcile.filling import fill
from benchmarks.reconcile.rounds import Round, ingest_round, transcoder_round
from deploy.local.parts import Urls
from tests.support.buckets import Buckets
from tests.support.databases import Database, copy_of, migrated_template
from tests.support.ending import end_on_signals
from tests.support.real_parts import embedded

VIDEOS = int(os.environ.get("VIDEOS", "10000"))
ROUNDS = 3


def main() -> None:
    """Fill, reconcile a few times, print."""
    with embedded() as urls:
        template = migrated_template(urls.postgres)
        with copy_of(urls.postgres, template) as database:
            began = time.perf_counter()
            s3 = buckets(urls)
            objects = asyncio.run(fill(database.admin_url, s3, VIDEOS))
            say(f"filled: {VIDEOS} videos, {objects} objects, {time.perf_counter() - began:.0f} s")
            measure(database, s3)


def buckets(urls: Urls) -> Buckets:
    """Two empty buckets, which end with their storage: to delete each object takes minutes."""
    s3 = Buckets(
        endpoint=urls.s3_endpoint,
        region=urls.s3_region,
        access_key=urls.s3_access_key,
        secret_key=urls.s3_secret_key,
        sources="sources",
        media="media",
    )
    client = s3.client()
    for bucket in (s3.sources, s3.media):
        client.create_bucket(Bucket=bucket)
    client.close()
    return s3


def measure(database: Database, s3: Buckets) -> None:
    """Both services, as ``cinelog reconcile`` asks them: one after the other."""
    totals = [0.0] * ROUNDS
    rounds: tuple[tuple[str, Callable[[Database, Buckets], Round]], ...] = (
        ("ingest", ingest_round),
        ("transcoder", transcoder_round),
    )
    for name, work in rounds:
        seen = [work(database, s3) for _ in range(ROUNDS)]
        totals = [total + each.seconds for total, each in zip(totals, seen, strict=True)]
        last = seen[-1]
        say(
            f"{name}: {spread([each.seconds for each in seen])} s, CPU of its process"
            f" {last.cpu:.1f} s, {last.findings} findings,"
            f" {last.start_mb:.0f} MB before, {last.peak_mb:.0f} MB at most"
        )
    say(f"reconcile of {VIDEOS} videos: {spread(totals)} s")


def spread(values: list[float]) -> str:
    """The median, and the least and the most."""
    return f"{statistics.median(values):.1f} ({min(values):.1f} … {max(values):.1f})"


def say(line: str) -> None:
    """Print at once, so that a long run can be followed."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    end_on_signals()
    main()
