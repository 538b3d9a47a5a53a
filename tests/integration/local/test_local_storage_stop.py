"""SeaweedFS is stopped and started again under writes: soon, and with all that it acknowledged."""

import asyncio
import secrets
from functools import partial
from pathlib import Path

from deploy.local import ports
from deploy.local.parts import seaweedfs
from deploy.local.process import Process
from deploy.local.supervisor import Supervisor
from shared.blobs.s3 import S3Store, s3_client
from shared.errors import CinelogError
from tests.support.charts import example, of_kind
from tests.support.wait import eventually

SECRET = "not-a-secret-but-long-enough"
WRITERS = 4
# So many objects before it is stopped.
ENOUGH = 60
# What an outage of the storage may take, at its end.
LONGEST_SECONDS = 5


async def write_until_it_fails(bucket: S3Store, stored: dict[str, bytes]) -> None:
    while True:
        key, body = secrets.token_hex(8), secrets.token_bytes(1 + secrets.randbelow(200_000))
        try:
            await bucket.put(key, body, "video/mp4")
        except (CinelogError, OSError):
            return
        stored[key] = body


def has(stored: dict[str, bytes], number: int) -> bool:
    return len(stored) >= number


async def test_a_stop_under_writes_loses_nothing_acknowledged(tmp_path: Path) -> None:
    given = ports.choose(seaweedfs.PORTS, {})
    steps = seaweedfs.steps(tmp_path, given, SECRET)
    stored: dict[str, bytes] = {}
    endpoint = f"http://127.0.0.1:{given['s3']}"
    async with s3_client(endpoint, "us-east-1", seaweedfs.ACCESS_KEY, SECRET) as client:
        bucket = S3Store(client, "uploads", None)
        for number in (1, 2):
            supervisor = Supervisor(steps, tmp_path / "logs", patience=300)
            await supervisor.start()
            try:
                await bucket.ensure_bucket()
                for key, body in stored.items():
                    assert await bucket.read(key) == body
                writers = [
                    asyncio.create_task(write_until_it_fails(bucket, stored))
                    for _ in range(WRITERS)
                ]
                await eventually(partial(has, stored, number * ENOUGH))
            finally:
                await supervisor.stop()
            await asyncio.gather(*writers)
    assert len(stored) >= 2 * ENOUGH


def test_it_gets_no_longer_than_that_anywhere(tmp_path: Path) -> None:
    (process,) = seaweedfs.steps(tmp_path, ports.choose(seaweedfs.PORTS, {}), SECRET)
    assert isinstance(process, Process)
    pod = of_kind(example(None), "StatefulSet")["cinelog-seaweedfs"]["spec"]["template"]["spec"]
    assert process.grace == pod["terminationGracePeriodSeconds"] < LONGEST_SECONDS
