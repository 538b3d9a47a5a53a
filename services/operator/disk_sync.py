"""Writes a folder's files to disk on request: the durability of a storage that does not sync."""

import asyncio
import hmac
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from litestar import Request, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CollectorRegistry, Counter, Histogram

from shared.blobs.disk_sync import authorization
from shared.blobs.grouped import GroupedCall
from shared.errors import Unauthenticated, Unavailable

# Syncs of several files of one file system share its journal's commits.
_THREADS: Final = 8

FileState = tuple[int, int, int]
"""Inode, size in bytes and time of the last change in nanoseconds."""


class SyncFailed(Unavailable):
    """The disk refused. Nothing may be acknowledged."""

    code = "sync_failed"


class FolderSync:
    """Syncs those files and folders below ``folder`` that changed since they were last synced.

    The files are appended to or made new by another process, so that a change is seen in inode,
    size or time. The kernel's time has a granularity of some milliseconds, but an append changes
    the size too. Files that are written in place within that time would be missed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._synced: dict[str, FileState] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sync")

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    async def run(self) -> int:
        """Sync what changed; returns the number of files and folders. Raises OSError."""
        return await asyncio.to_thread(self._pass)

    def _pass(self) -> int:
        found: dict[str, FileState] = {}
        folders: dict[str, FileState] = {}
        for place, names, files in os.walk(self._folder, onerror=_fail):
            for name in files:
                _note(found, os.path.join(place, name))
            for name in names:
                _note(folders, os.path.join(place, name))
        _note(folders, str(self._folder))
        # Files before their folder: a durable name must refer to durable content.
        changed = self._changed(found)
        list(self._threads.map(_sync, changed))
        # The top folder is synced always: a disk that has failed must not look like one where
        # nothing has changed.
        changed_folders = {*self._changed(folders), str(self._folder)}
        list(self._threads.map(_sync, changed_folders))
        # The state from before the sync is kept, so that a change during the sync is detected.
        self._synced = found | folders
        return len(changed) + len(changed_folders)

    def _changed(self, states: dict[str, FileState]) -> list[str]:
        return [path for path, state in states.items() if self._synced.get(path) != state]


def _note(states: dict[str, FileState], path: str) -> None:
    try:
        status = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return
    states[path] = (status.st_ino, status.st_size, status.st_mtime_ns)


def _fail(error: OSError) -> None:
    """A folder that cannot be listed may hold changes; one that was removed holds none."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _sync(path: str) -> None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        # The file was removed: nothing acknowledged can depend on it.
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_route(
    folder: FolderSync, secret_key: str, registry: CollectorRegistry
) -> HTTPRouteHandler:
    """``POST /sync``: 204 when all that was written before the request is on disk, else 503.

    Who does not know S3's secret key gets 401.
    """
    expected = authorization(secret_key).encode()
    seconds = Histogram(
        "cinelog_disk_sync_seconds",
        "Seconds that a sync of the storage's files takes.",
        buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        registry=registry,
    )
    files = Counter("cinelog_disk_synced_files", "Files and folders synced.", registry=registry)

    async def sync() -> None:
        with seconds.time():
            files.inc(await folder.run())

    grouped = GroupedCall(sync)

    @post("/sync", status_code=204, include_in_schema=False)
    async def handle(request: Request[object, object, State]) -> None:
        shown = request.headers.get("authorization", "")
        if not hmac.compare_digest(shown.encode(), expected):
            raise Unauthenticated("Only the services of this installation may ask.")
        try:
            await grouped()
        except OSError as error:
            raise SyncFailed("The disk did not take the data.") from error

    return handle
