"""Removes old backups, and objects that no backup refers to any more.

The newest good backup stays, however old it is. Good means: its manifest is signed with this key,
and every file and object that it names is there, whole.
"""

from datetime import datetime, timedelta

import msgspec

from services.operator.backups.making import note_stored
from services.operator.backups.notes import Notes
from services.operator.backups.sealing import Damaged, Sealer, WrongKey
from services.operator.backups.sets import (
    OBJECTS,
    Found,
    Manifest,
    find_all,
    read_items,
    read_manifest,
    time_of,
)
from services.operator.backups.targets import Target


class Removed(msgspec.Struct, frozen=True):
    """The backups and the number of objects that were removed. ``damaged``: backups of which nobody
    knows the objects any more, so that none were removed."""

    backups: tuple[str, ...] = ()
    objects: int = 0
    damaged: tuple[str, ...] = ()


class NothingGood(Damaged):
    """No backup is good, so nothing may be removed."""

    code = "no_good_backup"


async def prune(target: Target, sealer: Sealer, *, days: int, now: datetime) -> Removed:
    """Remove backups that began more than ``days`` ago, but never the newest good one.

    While an older one that is kept is damaged, its objects and all others stay. Unfinished ones go
    when a good one is newer. Raises NothingGood, having removed nothing, where the newest finished
    backup is not good.
    """
    found = await find_all(target)
    newest = await _newest(target, sealer, found)
    oldest = now - timedelta(days=days)
    removed: list[Found] = []
    kept: list[Found] = []
    for backup in found:
        begun = time_of(backup.name)
        unfinished = not backup.finished and backup.name < newest.name
        old = begun < oldest and backup.name < newest.name
        (removed if unfinished or old else kept).append(backup)
    with Notes.taken() as notes:
        prefix = f"{OBJECTS}{sealer.key_id}/"
        await note_stored(target, notes, prefix)
        await _note_items(target, sealer, notes, newest)
        if lost := notes.lost():
            raise NothingGood(f"The newest backup, {newest.name}, lacks {', '.join(lost)}.")
        others, damaged = await _note_kept(target, sealer, notes, kept, newest)
        for backup in removed:
            await _remove(target, backup)
        names = tuple(backup.name for backup in removed)
        if damaged:
            return Removed(names, damaged=damaged)
        objects = 0
        for name in notes.unused():
            await target.delete(name)
            objects += 1
        objects += await _remove_of_other_keys(target, others | {sealer.key_id})
    return Removed(names, objects)


async def _newest(target: Target, sealer: Sealer, found: list[Found]) -> Manifest:
    finished = [backup for backup in found if backup.finished]
    if not finished:
        raise NothingGood("There is no finished backup.")
    manifest = await read_manifest(target, sealer, finished[-1].name)
    for file in manifest.files:
        if finished[-1].sizes.get(file.name) != file.size:
            raise NothingGood(f"The newest backup, {manifest.name}, lacks {file.name}.")
    return manifest


async def _note_items(target: Target, sealer: Sealer, notes: Notes, manifest: Manifest) -> None:
    for bucket in manifest.buckets.values():
        for file in bucket.files:
            notes.add_items(await read_items(target, sealer, file))


async def _note_kept(
    target: Target, sealer: Sealer, notes: Notes, kept: list[Found], newest: Manifest
) -> tuple[set[str], tuple[str, ...]]:
    """Note what older kept backups refer to; the ids of other keys that sealed some of them, and
    the names of those that are damaged."""
    others: set[str] = set()
    damaged: list[str] = []
    for backup in kept:
        if not backup.finished or backup.name == newest.name:
            continue
        try:
            await _note_items(
                target, sealer, notes, await read_manifest(target, sealer, backup.name)
            )
        except WrongKey as error:
            others.add(error.key_id)
        except Damaged:
            damaged.append(backup.name)
    return others, tuple(damaged)


async def _remove(target: Target, backup: Found) -> None:
    """The manifest first: what is left, if this is cut, is no backup."""
    for name in sorted(backup.sizes, key=lambda name: not name.endswith("manifest.json")):
        await target.delete(name)


async def _remove_of_other_keys(target: Target, keys: set[str]) -> int:
    """Objects sealed with keys that no kept backup was sealed with."""
    objects = 0
    async for stored in target.list(OBJECTS):
        if stored.name.removeprefix(OBJECTS).partition("/")[0] not in keys:
            await target.delete(stored.name)
            objects += 1
    return objects
