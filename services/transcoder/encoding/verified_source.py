"""Reads a source from a local copy whose every byte was compared with what was acknowledged.

A task's first try reads parts of the source, of which no checksum is known. A later try reads such
a copy, so that faults of the storage are told from those of the file.
"""

import asyncio
import hashlib
import shutil
from pathlib import Path
from typing import Final

import msgspec

from services.transcoder.encoding.ffmpeg import Input
from services.transcoder.encoding.source_reader import IndexedSource, SourceReader, copy_mark
from services.transcoder.planning.media_errors import failed

# Larger sources are read by ranges and URL again.
_MAX_BYTES: Final = 8 << 30


class Acknowledged(msgspec.Struct, frozen=True):
    """The size and SHA-256 (in hex) of the bytes that were acknowledged, where they are known."""

    size: int | None
    sha256: str | None


class VerifiedSource(SourceReader):
    """Reads ``key`` from a local file, and other keys as ``others`` does.

    ``proven``: the file has the SHA-256 that was acknowledged.
    """

    def __init__(self, others: SourceReader, key: str, file: Path, *, proven: bool) -> None:
        super().__init__(*others.parts)
        self._others = others
        self._key = key
        self._file = file
        self.proven = proven

    async def open_whole(self, key: str) -> Input:
        if key != self._key:
            return await self._others.open_whole(key)
        await self.size(key)
        first = self.uncounted(key)
        if not first:
            return Input(str(self._file), remote=False)
        rest = self._file.with_name("rest")
        await asyncio.to_thread(_copy_rest, self._file, first, rest)
        return Input(str(rest), remote=False)

    async def open_range(
        self, key: str, folder: Path, start: float, stop: float, stream: int | None = None
    ) -> Input:
        if key != self._key:
            return await self._others.open_range(key, folder, start, stop, stream)
        return await self.open_whole(key)

    async def indexed(self, key: str) -> IndexedSource | None:
        if key != self._key:
            return await self._others.indexed(key)
        return await super().indexed(key)

    async def read(self, key: str, start: int, end: int) -> bytes:
        if key != self._key:
            return await self._others.read(key, start, end)
        return await asyncio.to_thread(_read, self._file, start, end)

    async def _stored_size(self, key: str) -> int:
        if key != self._key:
            return await self._others.size(key)
        return self._file.stat().st_size


async def read_again(
    sources: SourceReader, key: str, folder: Path, acknowledged: Acknowledged
) -> VerifiedSource | None:
    """Copy a source to ``folder``, past every cache; None where the disk has no room for it.

    Raises MediaRejected where it is missing, TaskFailed where its bytes are not those that were
    acknowledged.
    """
    sources.forget(key)
    size = await sources.size(key)
    free = await asyncio.to_thread(lambda: shutil.disk_usage(folder).free)
    if size > min(_MAX_BYTES, free // 2):
        return None
    target = folder / "whole"
    target.touch(mode=0o600)
    await sources.fetch(key, target, 0, size)
    found = await asyncio.to_thread(_sha256, target)
    mark = acknowledged.sha256 or copy_mark(key)
    changed = acknowledged.size not in (None, target.stat().st_size)
    if changed or (mark is not None and not found.startswith(mark)):
        raise failed(
            "storage.damaged",
            f"{key} has {target.stat().st_size} bytes with the SHA-256 {found}",
        )
    return VerifiedSource(sources, key, target, proven=mark is not None)


def _copy_rest(path: Path, first: int, target: Path) -> None:
    with path.open("rb") as source, target.open("wb") as file:
        source.seek(first)
        shutil.copyfileobj(source, file)


def _read(path: Path, start: int, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(end - start)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
