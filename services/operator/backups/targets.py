"""Where backups lie: a folder, or a bucket of another storage."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from pathlib import Path
from typing import IO, Final, Protocol

import msgspec

from shared.blobs.store import BlobStore
from shared.errors import NotFound

_CHUNK: Final = 256 * 1024
_PARTIAL: Final = ".partial"


class Stored(msgspec.Struct, frozen=True):
    """A file at the target; ``size`` in bytes."""

    name: str
    size: int


class Missing(NotFound):
    """The target has no file of this name."""

    code = "backup_file_missing"


class Target(Protocol):
    """A place that keeps files by names with slashes."""

    async def put(self, name: str, chunks: AsyncIterable[bytes]) -> None:
        """Keep a file whole, or not at all: also if ``chunks`` raises, or the process is killed."""
        ...

    def open(self, name: str) -> AsyncIterator[bytes]:
        """The bytes of a file. Raises NotFound."""
        ...

    def list(self, prefix: str) -> AsyncIterator[Stored]:
        """Every file whose name begins so, in no certain order."""
        ...

    async def delete(self, name: str) -> None:
        """Remove a file; it is no error if it is gone."""
        ...

    async def clear(self) -> None:
        """Remove what writers that were killed have left. Nobody else may write meanwhile."""
        ...


class FolderTarget:
    """Files below a folder, such as a mounted disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, name: str, chunks: AsyncIterable[bytes]) -> None:
        path = self._folder / name
        partial = path.with_name(path.name + _PARTIAL)
        file = await asyncio.to_thread(_create, partial)
        try:
            with file:
                async for chunk in chunks:
                    await asyncio.to_thread(file.write, chunk)
                await asyncio.to_thread(_finish, file, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                partial.unlink()
            raise

    async def open(self, name: str) -> AsyncIterator[bytes]:
        try:
            file = await asyncio.to_thread((self._folder / name).open, "rb")
        except FileNotFoundError:
            raise Missing(f"{name} is missing.") from None
        with file:
            while chunk := await asyncio.to_thread(file.read, _CHUNK):
                yield chunk

    async def list(self, prefix: str) -> AsyncIterator[Stored]:
        for stored in await asyncio.to_thread(lambda: list(self._below(prefix))):
            yield stored

    async def delete(self, name: str) -> None:
        await asyncio.to_thread((self._folder / name).unlink, missing_ok=True)

    async def clear(self) -> None:
        def remove() -> None:
            for path in self._folder.rglob(f"*{_PARTIAL}"):
                path.unlink()

        await asyncio.to_thread(remove)

    def _below(self, prefix: str) -> Iterator[Stored]:
        for folder, _, files in os.walk(self._folder / prefix.rpartition("/")[0]):
            for file in files:
                path = Path(folder, file)
                name = path.relative_to(self._folder).as_posix()
                if name.startswith(prefix) and not file.endswith(_PARTIAL):
                    yield Stored(name, path.stat().st_size)


class BucketTarget:
    """Objects below a prefix of a bucket."""

    def __init__(self, store: BlobStore, prefix: str) -> None:
        self._store = store
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    async def put(self, name: str, chunks: AsyncIterable[bytes]) -> None:
        await self._store.put_stream(self._prefix + name, chunks, "application/octet-stream")

    def open(self, name: str) -> AsyncIterator[bytes]:
        return self._store.open(self._prefix + name)

    async def list(self, prefix: str) -> AsyncIterator[Stored]:
        async for blob in self._store.list(self._prefix + prefix):
            yield Stored(blob.key.removeprefix(self._prefix), blob.size)

    async def delete(self, name: str) -> None:
        await self._store.delete(self._prefix + name)

    async def clear(self) -> None:
        await self._store.drop_unfinished(self._prefix)


def _create(path: Path) -> IO[bytes]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path.open("wb")


def _finish(file: IO[bytes], path: Path) -> None:
    """To the disk, then under its name."""
    file.flush()
    os.fsync(file.fileno())
    Path(file.name).replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
