"""Reads a backup back and compares every byte with its hashes."""

import hashlib
from collections.abc import AsyncIterator, Callable

import msgspec

from services.operator.backups.making import note_stored
from services.operator.backups.notes import Notes
from services.operator.backups.sealing import Damaged, Sealer
from services.operator.backups.sets import (
    OBJECTS,
    Item,
    Manifest,
    find_all,
    open_file,
    read_items,
)
from services.operator.backups.targets import Target
from shared.errors import NotFound

_MOST_FLAWS = 100

Progress = Callable[[int, int], None]
"""Called with the number of objects that were read, and how many there are."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was read; without ``flaws`` the backup can be restored."""

    name: str
    files: int
    objects: int
    read: int
    flaws: tuple[str, ...]


async def newest(target: Target) -> str:
    """The name of the newest finished backup. Raises Damaged where there is none."""
    finished = [found.name for found in await find_all(target) if found.finished]
    if not finished:
        raise Damaged("There is no finished backup.")
    return finished[-1]


async def verify(
    target: Target,
    sealer: Sealer,
    manifest: Manifest,
    *,
    sample: int | None = None,
    progress: Progress = lambda _at, _of: None,
) -> Verdict:
    """Read all files, and all objects or a ``sample`` of so many. All must be there."""
    flaws: list[str] = []
    with Notes.taken() as notes:
        await note_stored(target, notes, f"{OBJECTS}{sealer.key_id}/")
        objects = await _read_lists(target, sealer, manifest, notes, flaws)
        flaws += [f"{name} is missing or cut off" for name in notes.lost()]
        try:
            async for _ in open_file(target, sealer, manifest.database):
                pass
        except Damaged as error:
            flaws.append(error.message)
        read = 0
        of = objects if sample is None else min(sample, objects)
        for item in notes.items() if sample is None else notes.sample(sample):
            if flaw := await _flaw(target, sealer, item):
                flaws.append(flaw)
            read += 1
            progress(read, of)
            if len(flaws) >= _MOST_FLAWS:
                break
    return Verdict(
        name=manifest.name,
        files=len(manifest.files),
        objects=objects,
        read=read,
        flaws=tuple(dict.fromkeys(flaws)),
    )


async def _read_lists(
    target: Target, sealer: Sealer, manifest: Manifest, notes: Notes, flaws: list[str]
) -> int:
    objects = 0
    for use, bucket in manifest.buckets.items():
        listed = 0
        for file in bucket.files:
            try:
                items = await read_items(target, sealer, file)
            except Damaged as error:
                flaws.append(error.message)
                continue
            notes.add_items(items)
            listed += len(items)
        if listed != bucket.objects:
            flaws.append(f"{listed} of {bucket.objects} objects of {use} are listed")
        objects += listed
    return objects


async def _flaw(target: Target, sealer: Sealer, item: Item) -> str | None:
    try:
        async for _ in open_item(target, sealer, item):
            pass
    except Damaged as error:
        return f"{item.key}: {error.message}"
    return None


async def open_item(target: Target, sealer: Sealer, item: Item) -> AsyncIterator[bytes]:
    """An object as it was in its bucket. Raises Damaged where it is another at the end."""
    hashed, size = hashlib.sha256(), 0
    try:
        async for chunk in sealer.open(item.name, target.open(item.name)):
            hashed.update(chunk)
            size += len(chunk)
            yield chunk
    except NotFound:
        raise Damaged(f"{item.name} is missing") from None
    if size != item.size or hashed.hexdigest() != item.sha256:
        raise Damaged(f"{item.name} holds another object")
