"""Makes a backup: the database's dump, the log's archive, then the objects, then the manifest.

In this order, no event names an object that the backup lacks: objects are stored before their
events, and deleted a day after them. No playlist does either: each bucket is listed again after
its playlists were copied.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from services.operator.backups.copying import ARCHIVE, Copier
from services.operator.backups.database import snapshot
from services.operator.backups.dumps import dump
from services.operator.backups.notes import Notes
from services.operator.backups.sealing import Damaged, Sealer, WrongKey
from services.operator.backups.sets import (
    OBJECTS,
    Found,
    Manifest,
    file_name,
    find_all,
    name_at,
    put_file,
    put_manifest,
    read_items,
    read_manifest,
    read_unlisted,
    time_of,
)
from services.operator.backups.slices import slices
from services.operator.backups.targets import Target
from shared.blobs.store import BlobStore
from shared.version import VERSION

ORDER: Final = (ARCHIVE, "sources", "media")
"""The buckets, in the order in which they are copied."""

Say = Callable[[str], None]
"""Called with what has been done."""


class Source(msgspec.Struct, frozen=True):
    """An installation: the login that may read its database, and its buckets by their use."""

    database_url: str
    buckets: Mapping[str, BlobStore]


async def make(
    source: Source, target: Target, sealer: Sealer, *, clock: Callable[[], datetime], say: Say
) -> Manifest:
    """Make a backup; what an interrupted one has copied is not copied again.

    No other one may be made meanwhile (``database.alone``).
    """
    began = clock()
    await target.clear()
    with Notes.taken() as notes:
        earlier = await find_all(target)
        await note_stored(target, notes, f"{OBJECTS}{sealer.key_id}/")
        await _note_known(target, sealer, notes, earlier)
        name = name_at(began)
        if earlier and earlier[-1].name >= name:
            # Two within a second, or a clock that was set back: names must go on.
            name = name_at(_after(earlier[-1]))
        async with snapshot(source.database_url) as moment:
            database = await put_file(
                target,
                sealer,
                file_name(name, "database"),
                dump(source.database_url, moment.name),
            )
        say(f"The database: {database.size} bytes, up to event {moment.position}.")
        copier = Copier(target, sealer, notes, name)
        buckets = {}
        for use in ORDER:
            if use in source.buckets:
                buckets[use] = await copier.copy(use, source.buckets[use])
                say(f"The bucket of {use}: {buckets[use].objects} objects.")
    manifest = Manifest(
        name=name,
        key=sealer.key_id,
        release=VERSION,
        began_at=began,
        finished_at=clock(),
        database=database,
        position=moment.position,
        counts=moment.counts,
        buckets=buckets,
        copied_objects=copier.objects,
        copied_bytes=copier.bytes,
    )
    await put_manifest(target, sealer, manifest)
    return manifest


async def note_stored(target: Target, notes: Notes, prefix: str) -> None:
    """Note the files of the target whose names begin so."""
    async for stored in slices(target.list(prefix)):
        notes.add_stored(stored)


async def _note_known(target: Target, sealer: Sealer, notes: Notes, earlier: list[Found]) -> None:
    """Note what the newest backup refers to, and what unfinished ones after it have copied."""
    for found in reversed(earlier):
        if not found.finished:
            await _note_unfinished(target, sealer, notes, found)
            continue
        try:
            manifest = await read_manifest(target, sealer, found.name)
            for bucket in manifest.buckets.values():
                for file in bucket.files:
                    notes.add_items(await read_items(target, sealer, file))
        except (Damaged, WrongKey):
            continue
        return


async def _note_unfinished(target: Target, sealer: Sealer, notes: Notes, found: Found) -> None:
    for name in found.sizes:
        if name != file_name(found.name, "database"):
            try:
                notes.add_items(await read_unlisted(target, sealer, name))
            except (Damaged, WrongKey):
                continue


def _after(found: Found) -> datetime:
    return time_of(found.name) + timedelta(seconds=1)
