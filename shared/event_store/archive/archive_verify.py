"""Reads an archive and verifies every hash."""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from shared.contracts import UnknownEventType
from shared.errors import NotFound
from shared.event_store.archive.archive import (
    ArchiveHead,
    ArchiveReader,
    Progress,
    find_manifest,
    range_numbers,
    usable_manifest,
)
from shared.event_store.archive.archive_format import (
    PREFIX,
    ArchivedEvent,
    BadArchive,
    Manifest,
    digest,
    manifest_key,
    read_manifest,
    unpack,
)
from shared.event_store.serialization import decode_metadata
from shared.event_store.upcast import read_event


class Flaw(msgspec.Struct, frozen=True):
    """A defect in range ``number``; ``problem`` is for people."""

    number: int
    problem: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a verification; without ``flaws`` the archive is complete up to ``head``."""

    ranges: int
    events: int
    head: ArchiveHead
    flaws: tuple[Flaw, ...]


async def verify(
    bucket: ArchiveReader,
    *,
    prefix: str = PREFIX,
    expected: ArchiveHead | None = None,
    at_least: int = 0,
    progress: Progress = lambda _at, _of: None,
) -> Verdict:
    """Check the whole chain: recompute every hash, decode every event.

    Missing ranges at the end of a chain cannot be detected from the chain itself. ``expected`` is
    a head recorded earlier, which must be in the chain; ``at_least`` is the last position that it
    must reach (``archived_position`` of the database, if that still exists).
    """
    flaws: list[Flaw] = []
    numbers = await range_numbers(bucket, prefix)
    total = (await find_manifest(bucket, prefix, numbers[-1])) if numbers else None
    before: Manifest | None = None
    hashed: str | None = None
    seen_expected = expected is None or expected.number == 0
    events = 0
    for number in range(1, (numbers[-1] if numbers else 0) + 1):
        try:
            data = await bucket.read(manifest_key(prefix, number))
        except NotFound:
            flaws.append(Flaw(number, "the manifest is missing"))
            continue
        try:
            before_hash, hashed = hashed, digest(data)
            manifest = read_manifest(data, number, before, before_hash)
        except BadArchive as error:
            flaws.append(Flaw(number, str(error)))
            manifest = usable_manifest(data)
            if manifest is None:
                continue
        before = manifest
        if expected is not None and (number, hashed) == (expected.number, expected.hash):
            seen_expected = True
        try:
            found = unpack(manifest, await bucket.read(manifest.object))
        except (BadArchive, NotFound) as error:
            missing = f"{manifest.object} is missing"
            flaws.append(Flaw(number, missing if isinstance(error, NotFound) else str(error)))
            continue
        events += len(found)
        flaws += [Flaw(number, problem) for event in found if (problem := _unreadable(event))]
        progress(manifest.last, total.last if total else manifest.last)
    head = ArchiveHead(before.number, before.last, hashed) if before else ArchiveHead()
    if not seen_expected and expected is not None:
        flaws.append(Flaw(expected.number, f"the manifest with hash {expected.hash} is gone"))
    if head.last < at_least:
        flaws.append(
            Flaw(head.number + 1, f"the archive ends at {head.last}, but {at_least} was archived")
        )
    return Verdict(ranges=len(numbers), events=events, head=head, flaws=tuple(flaws))


async def read_ranges(
    bucket: ArchiveReader, *, prefix: str = PREFIX
) -> AsyncIterator[tuple[Manifest, str, list[ArchivedEvent]]]:
    """Every range in order: its manifest, the manifest's hash, and its events.

    Raises BadArchive at the first defect.
    """
    numbers = await range_numbers(bucket, prefix)
    before: Manifest | None = None
    hashed: str | None = None
    for place, number in enumerate(numbers, start=1):
        if number != place:
            raise BadArchive(f"manifest {place} is missing")
        data = await bucket.read(manifest_key(prefix, number))
        before = read_manifest(data, number, before, hashed)
        hashed = digest(data)
        try:
            packed = await bucket.read(before.object)
        except NotFound as error:
            raise BadArchive(f"{before.object} is missing") from error
        yield before, hashed, await asyncio.to_thread(unpack, before, packed)


def _unreadable(event: ArchivedEvent) -> str | None:
    """The reason why this build cannot decode an event, or None."""
    try:
        decode_metadata(bytes(event.metadata).decode())
        read_event(event.type, event.schema_version, bytes(event.data))
    except (UnknownEventType, msgspec.MsgspecError) as error:
        return f"{event.stream_id} version {event.version}: {type(error).__name__}: {error}"
    return None
