"""What a backup is made of: files of its own, objects that it shares with others, a manifest.

sets/20261128T073925Z/database         the dump
sets/20261128T073925Z/media-000001     which objects the bucket had, and where they are
sets/20261128T073925Z/manifest.json    written last: without it, it is no backup
objects/<key's id>/3f/9a…              an object, sealed; every backup that has it refers to it
"""

import hashlib
import hmac
import re
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from services.operator.backups.sealing import Damaged, Sealer
from services.operator.backups.targets import Target
from shared.errors import NotFound

FORMAT: Final = 1
SETS: Final = "sets/"
OBJECTS: Final = "objects/"
_MANIFEST: Final = "manifest.json"
_NAME: Final = re.compile(r"\d{8}T\d{6}Z")
_MOST_BYTES: Final = 256 * 1024 * 1024


class File(msgspec.Struct, frozen=True):
    """A file of one backup, sealed: its size in bytes and the SHA-256 of these bytes."""

    name: str
    size: int
    sha256: str


class Item(msgspec.Struct, frozen=True, array_like=True):
    """An object of a bucket: size in bytes and SHA-256 as it was there, and its name here."""

    key: str
    size: int
    etag: str
    sha256: str
    content_type: str
    cache_control: str | None
    name: str


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket's objects, listed in ``files``; ``gone`` were deleted while they were listed."""

    objects: int
    bytes: int
    gone: int
    files: tuple[File, ...]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A whole backup. ``position`` and ``counts``, the rows of each table, are those of the dump.

    ``copied_objects`` were not there from earlier backups.
    """

    format: int = FORMAT
    name: str
    key: str
    release: str
    began_at: datetime
    finished_at: datetime
    database: File
    position: int
    counts: dict[str, int]
    buckets: dict[str, Bucket]
    copied_objects: int
    copied_bytes: int

    @property
    def files(self) -> tuple[File, ...]:
        """All of its own but the manifest."""
        listed = (file for bucket in self.buckets.values() for file in bucket.files)
        return (self.database, *listed)

    @property
    def bytes(self) -> int:
        """What it takes to restore: the dump and all objects."""
        return self.database.size + sum(bucket.bytes for bucket in self.buckets.values())


class _Signed(msgspec.Struct, frozen=True):
    manifest: msgspec.Raw
    signature: str


class Found(msgspec.Struct, frozen=True):
    """The files of one backup at the target, whether it was finished or not."""

    name: str
    sizes: dict[str, int]

    @property
    def finished(self) -> bool:
        """Whether it has a manifest."""
        return file_name(self.name, _MANIFEST) in self.sizes


def name_at(now: datetime) -> str:
    """Names sort as their times do."""
    return now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def time_of(name: str) -> datetime:
    """When the backup of this name began."""
    return datetime.strptime(name, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def file_name(backup: str, part: str) -> str:
    """Of a file of one backup."""
    return f"{SETS}{backup}/{part}"


def object_name(sealer: Sealer, bucket: str, key: str, size: int, etag: str) -> str:
    """Of an object: another content, or another key to seal with, makes another name."""
    name = sealer.name_of(bucket, key, str(size), etag)
    return f"{OBJECTS}{sealer.key_id}/{name[:2]}/{name[2:]}"


async def find_all(target: Target) -> list[Found]:
    """Every backup at the target, oldest first."""
    sizes: dict[str, dict[str, int]] = {}
    async for stored in target.list(SETS):
        backup = stored.name.removeprefix(SETS).partition("/")[0]
        if _NAME.fullmatch(backup):
            sizes.setdefault(backup, {})[stored.name] = stored.size
    return [Found(name, sizes[name]) for name in sorted(sizes)]


async def put_file(target: Target, sealer: Sealer, name: str, chunks: AsyncIterable[bytes]) -> File:
    """Seal a stream into a file."""
    hashed, size = hashlib.sha256(), 0

    async def sealed() -> AsyncIterator[bytes]:
        nonlocal size
        async for chunk in sealer.seal(name, chunks):
            hashed.update(chunk)
            size += len(chunk)
            yield chunk

    await target.put(name, sealed())
    return File(name, size, hashed.hexdigest())


async def open_file(target: Target, sealer: Sealer, file: File) -> AsyncIterator[bytes]:
    """The plain text of a file. Raises Damaged, WrongKey."""
    hashed, size = hashlib.sha256(), 0

    async def sealed() -> AsyncIterator[bytes]:
        nonlocal size
        try:
            async for chunk in target.open(file.name):
                hashed.update(chunk)
                size += len(chunk)
                yield chunk
        except NotFound:
            raise Damaged(f"{file.name} is missing") from None

    async for chunk in sealer.open(file.name, sealed()):
        yield chunk
    if size != file.size or hashed.hexdigest() != file.sha256:
        raise Damaged(f"{file.name} is not the file that the manifest names")


async def put_items(
    target: Target, sealer: Sealer, backup: str, part: str, items: Sequence[Item]
) -> File:
    """Write one part of a bucket's list."""
    packed = zlib.compress(msgspec.json.encode(items))
    return await put_file(target, sealer, file_name(backup, part), _once(packed))


async def read_items(target: Target, sealer: Sealer, file: File) -> list[Item]:
    """One part of a bucket's list. Raises Damaged, WrongKey."""
    return _unpack([chunk async for chunk in open_file(target, sealer, file)])


async def read_unlisted(target: Target, sealer: Sealer, name: str) -> list[Item]:
    """A part of a list that no manifest names. Raises Damaged, WrongKey."""
    return _unpack([chunk async for chunk in sealer.open(name, target.open(name))])


def _unpack(packed: Sequence[bytes]) -> list[Item]:
    return msgspec.json.decode(zlib.decompress(b"".join(packed)), type=list[Item])


async def put_manifest(target: Target, sealer: Sealer, manifest: Manifest) -> None:
    """Turn the files that it names into a backup."""
    data = msgspec.json.encode(manifest)
    signed = _Signed(msgspec.Raw(data), sealer.signature(data))
    name = file_name(manifest.name, _MANIFEST)
    await target.put(name, _once(msgspec.json.encode(signed)))


async def read_manifest(target: Target, sealer: Sealer, backup: str) -> Manifest:
    """Raises Damaged where it is missing, cut or not signed with the key it names; WrongKey."""
    name = file_name(backup, _MANIFEST)
    data = bytearray()
    try:
        async for chunk in target.open(name):
            data += chunk
            if len(data) > _MOST_BYTES:
                raise Damaged(f"{name} is too large")
    except NotFound:
        raise Damaged(f"there is no backup {backup}, or it was not finished") from None
    try:
        signed = msgspec.json.decode(data, type=_Signed)
        manifest = msgspec.json.decode(signed.manifest, type=Manifest)
    except msgspec.MsgspecError:
        raise Damaged(f"{name} cannot be read") from None
    sealer.check_key(name, manifest.key)
    right = sealer.signature(bytes(signed.manifest))
    if not hmac.compare_digest(right, signed.signature) or manifest.name != backup:
        raise Damaged(f"{name} is damaged")
    return manifest


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
