"""A session's poster: its first key picture as JPEG, made by one small run of ffmpeg."""

import asyncio
import hashlib
from pathlib import Path
from typing import Final

from services.live import object_keys
from shared.blobs.store import BlobStore
from shared.contracts import LivePosterMade, StoredObject
from shared.programs.confinement import Limits
from shared.programs.process import run_ffmpeg

_HEIGHT: Final = 720
_LIMITS: Final = Limits(
    seconds=30, cpu_seconds=20, memory_bytes=512 << 20, file_bytes=8 << 20, nice=10
)
_IMMUTABLE: Final = "public, max-age=31536000, immutable"


def _prepare(folder: Path, pictures: bytes) -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    source = folder / "poster.mp4"
    source.write_bytes(pictures)
    return source, folder / "poster.jpg"


async def make_poster(
    ffmpeg: str, folder: Path, blobs: BlobStore, video_id: str, pictures: bytes
) -> LivePosterMade:
    """``pictures``: an init segment and a first part. Raises RunFailed, BlobStoreUnavailable."""
    source, target = _prepare(folder, pictures)
    await run_ffmpeg(_command(ffmpeg, source, target), folder, _LIMITS)
    data = await asyncio.to_thread(target.read_bytes)
    sha256 = hashlib.sha256(data).hexdigest()
    key = object_keys.poster(video_id, sha256[:16])
    await blobs.put(key, data, "image/jpeg", _IMMUTABLE)
    stored = StoredObject(key=key, size=len(data), sha256=sha256)
    return LivePosterMade(video_id=video_id, poster_key=key, object=stored)


def _command(ffmpeg: str, source: Path, target: Path) -> list[str]:
    return [
        *(ffmpeg, "-hide_banner", "-nostdin", "-v", "error", "-y", "-progress", "pipe:1"),
        *("-f", "mp4", "-i", str(source), "-frames:v", "1", "-update", "1", "-threads", "1"),
        *("-vf", f"scale=-2:min({_HEIGHT}\\,ih),setsar=1", "-q:v", "4", "-f", "image2"),
        str(target),
    ]
