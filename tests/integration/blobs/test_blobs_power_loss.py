"""What the storage has acknowledged is there after the power went, on young and on old storages."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from deploy.local import ports
from deploy.local.parts import seaweedfs
from deploy.local.process import Process
from services.operator.disk_sync import FolderSync
from shared.blobs.grouped import GroupedCall
from shared.blobs.s3 import S3Store, s3_client
from shared.blobs.s3_multipart import MIN_PART
from shared.errors import CinelogError
from tests.support.power import Disk, can_lose_power, disk
from tests.support.wait import eventually

pytestmark = pytest.mark.skipif(not can_lose_power(), reason="no disk of our own can be mounted")

SECRET = "not-a-secret-but-long-enough"
LOSSES = int(os.environ.get("CINELOG_POWER_LOSSES", "3"))


class Storage:
    """SeaweedFS on a disk that can lose power."""

    def __init__(self, place: Disk) -> None:
        self._disk = place
        self._ports = ports.choose(seaweedfs.PORTS, {})
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        (step,) = (
            step
            for step in seaweedfs.steps(self._disk.folder, self._ports, SECRET)
            if isinstance(step, Process)
        )
        self._process = await asyncio.create_subprocess_exec(
            *step.argv,
            cwd=step.folder,
            env={**os.environ, **step.env},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await eventually(step.ready)

    async def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None

    @asynccontextmanager
    async def bucket(self, *, synced: bool = True) -> AsyncIterator[S3Store]:
        endpoint = f"http://127.0.0.1:{self._ports['s3']}"
        folder = FolderSync(self._disk.folder)
        async with s3_client(endpoint, "us-east-1", seaweedfs.ACCESS_KEY, SECRET) as client:
            yield S3Store(client, "uploads", GroupedCall(folder.run) if synced else None)
        folder.close()


async def write_until_it_fails(bucket: S3Store, stored: dict[str, bytes]) -> None:
    """Store small and large objects; ``stored`` gets what was acknowledged."""
    while True:
        key = secrets.token_hex(8)
        large = secrets.randbelow(10) == 0
        body = secrets.token_bytes(MIN_PART + 4321 if large else 1 + secrets.randbelow(200_000))
        try:
            if large:
                upload = await bucket.start_multipart(key, "video/mp4")
                first = await bucket.put_part(key, upload, 1, body[:MIN_PART])
                second = await bucket.put_part(key, upload, 2, body[MIN_PART:])
                await bucket.complete_multipart(key, upload, [first, second])
            else:
                await bucket.put(key, body, "video/mp4")
        except (CinelogError, OSError):
            return
        stored[key] = body


async def test_no_acknowledged_object_is_lost(tmp_path: Path) -> None:
    stored: dict[str, bytes] = {}
    with disk(tmp_path) as place:
        storage = Storage(place)
        for loss in range(LOSSES):
            await storage.start()
            async with AsyncExitStack() as stack:
                bucket = await stack.enter_async_context(storage.bucket())
                await bucket.ensure_bucket()
                before = len(stored)
                writers = [
                    asyncio.create_task(write_until_it_fails(bucket, stored)) for _ in range(6)
                ]
                # The first loss comes early: a young storage has not written anything by itself.
                await eventually(lambda n=before + 20 + 60 * loss: len(stored) >= n, timeout=120)
                place.lose_power()
                await storage.kill()
                await asyncio.gather(*writers)
            place.unmount()
            place.mount()
            await storage.start()
            async with storage.bucket() as bucket:
                lost = [key for key, body in stored.items() if await read(bucket, key) != body]
            await storage.kill()
            assert lost == [], f"{len(lost)} of {len(stored)} after loss {loss + 1}"


async def test_the_power_loss_of_these_tests_loses_what_is_not_synced(tmp_path: Path) -> None:
    with disk(tmp_path) as place:
        storage = Storage(place)
        await storage.start()
        async with storage.bucket(synced=False) as bucket:
            await bucket.ensure_bucket()
            await bucket.put("unsynced", b"x" * 100_000, "video/mp4")
            place.lose_power()
        await storage.kill()
        place.unmount()
        place.mount()
        await storage.start()
        async with storage.bucket() as bucket:
            assert await read(bucket, "unsynced") is None
        await storage.kill()


async def read(bucket: S3Store, key: str) -> bytes | None:
    try:
        return await bucket.read(key)
    except CinelogError:
        return None


async def test_a_disk_that_has_failed_does_not_look_like_one_without_changes(
    tmp_path: Path,
) -> None:
    with disk(tmp_path) as place:
        folder = FolderSync(place.folder)
        (place.folder / "a").write_bytes(b"x")
        await folder.run()
        place.lose_power()
        with pytest.raises(OSError, match=r"\[Errno 5\]"):
            await folder.run()
        folder.close()
