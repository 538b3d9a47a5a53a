"""Object storage for a process: opened through its host, closed with it."""

from collections.abc import Callable

from shared.blobs.disk_sync import optional_disk_sync
from shared.blobs.s3 import S3Store, s3_client
from shared.blobs.s3_metrics import S3Metrics
from shared.host.host import Host


async def open_s3(
    host: Host,
    endpoint: str,
    region: str,
    access_key: str | None,
    secret_key: str | None,
    *,
    connections: int = 32,
    sync_url: str | None = None,
    metrics: S3Metrics | None = None,
) -> Callable[[str], S3Store]:
    """Opens a client of an object storage; the result makes the store of a named bucket.

    Without keys it has those of its surroundings (``s3_client``).

    With ``sync_url``, each write is reported after the storage's disk has it (``disk_sync``).
    Clients of one process share ``metrics``.
    """
    client = await host.stack.enter_async_context(
        s3_client(
            endpoint,
            region,
            access_key,
            secret_key,
            connections=connections,
            metrics=metrics or S3Metrics(host.registry),
        )
    )
    flush = await host.stack.enter_async_context(optional_disk_sync(sync_url, secret_key))
    return lambda bucket: S3Store(client, bucket, flush)
