"""The table of uploads. Compare-and-set on epoch and phase decides which writer's changes count."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from weakref import WeakValueDictionary

import msgspec
from sqlalchemy import Row, case, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.ingest.details import Details
from services.ingest.ports import (
    KeyInUse,
    Part,
    PartUsed,
    Progress,
    Upload,
    UploadLost,
    UploadNotFound,
)
from services.ingest.quotas import Addition
from services.ingest.rows import COLUMNS, is_whole, transaction, upload_of
from services.ingest.tables import parts, uploads
from services.ingest.usage_repository import UsageRepository

RELEASE_CHANNEL: Final = "ingest_release"

# A writer that died may have one part on its way and another about to be sent. Their numbers are
# not used again: a part that arrives late would replace bytes that count.
SKIPPED_PARTS: Final = 2
# A completed upload's row stays for as long as its idempotency key is honoured.
_KEPT: Final = timedelta(days=7)


class UploadsRepository:
    """Implements the protocols of ``ports`` that concern single uploads."""

    def __init__(self, engine: AsyncEngine, usage: UsageRepository) -> None:
        self._engine = engine
        self._usage = usage
        # Who waits for the account's lock waits here first, where it holds no connection.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def create(self, upload: Upload) -> None:
        # By the database's clock, as all later times: this process's may be wrong by a day, and an
        # upload that began then would have expired as soon as it is right again.
        now = func.clock_timestamp()
        values = msgspec.structs.asdict(upload) | {
            "created_at": now,
            "updated_at": now,
            "expires_at": now + (upload.expires_at - upload.created_at),
            "details": msgspec.to_builtins(upload.details),
            "joined": list(upload.joined),
        }
        del values["read_at"]
        turn = self._turns.setdefault(upload.user_id, asyncio.Lock())
        try:
            async with turn, transaction(self._engine) as connection:
                await self._usage.check(connection, upload.user_id, _addition(upload))
                await connection.execute(insert(uploads).values(**values))
                await _check_parts(connection, upload)
        except IntegrityError as error:
            if "uploads_idempotency" not in str(error):
                raise
            raise KeyInUse("A request with this idempotency key is under way.") from None

    async def get(self, upload_id: str) -> Upload:
        async with transaction(self._engine) as connection:
            row = await _row(connection, upload_id)
        if row is None:
            raise UploadNotFound
        return upload_of(row)

    async def by_key(self, user_id: str, idempotency_key: str) -> Upload | None:
        async with transaction(self._engine) as connection:
            found = await connection.execute(
                select(*COLUMNS).where(
                    uploads.c.user_id == user_id, uploads.c.idempotency_key == idempotency_key
                )
            )
            row = found.one_or_none()
        return None if row is None else upload_of(row)

    async def joining(self, user_id: str, part_ids: Sequence[str]) -> Upload | None:
        async with transaction(self._engine) as connection:
            found = await connection.execute(
                select(*COLUMNS)
                .where(
                    uploads.c.user_id == user_id,
                    uploads.c.phase == "open",
                    uploads.c.joined.overlap(list(part_ids)),
                )
                .limit(1)
            )
            row = found.one_or_none()
        return None if row is None else upload_of(row)

    async def parts(self, upload_id: str) -> tuple[Part, ...]:
        async with transaction(self._engine) as connection:
            found = await connection.execute(
                select(parts.c.number, parts.c.etag, parts.c.size)
                .where(parts.c.upload_id == upload_id)
                .order_by(parts.c.number)
            )
            return tuple(Part(*row) for row in found)

    async def request_release(self, upload_id: str) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(
                update(uploads).where(uploads.c.id == upload_id, uploads.c.held).values(wanted=True)
            )
            await connection.execute(select(func.pg_notify(RELEASE_CHANNEL, "")))

    async def requested_releases(self, held: Sequence[str]) -> set[str]:
        async with transaction(self._engine) as connection:
            found = await connection.execute(
                select(uploads.c.id).where(uploads.c.id.in_(held), uploads.c.wanted)
            )
            return set(found.scalars())

    async def acquire(self, upload_id: str) -> Upload:
        async with transaction(self._engine) as connection:
            taken = await connection.execute(
                update(uploads)
                .where(
                    uploads.c.id == upload_id,
                    uploads.c.phase == "open",
                    or_(uploads.c.expires_at > func.clock_timestamp(), is_whole()),
                )
                .values(
                    epoch=uploads.c.epoch + 1,
                    held=True,
                    wanted=False,
                    next_part=uploads.c.next_part + case((uploads.c.held, SKIPPED_PARTS), else_=0),
                    updated_at=func.clock_timestamp(),
                )
                .returning(*COLUMNS)
            )
            row = taken.one_or_none()
            if row is None and await _row(connection, upload_id) is None:
                raise UploadNotFound
        if row is None:
            raise UploadLost("This upload takes no more bytes.")
        return upload_of(row)

    async def set_multipart(self, upload_id: str, epoch: int, multipart_id: str) -> None:
        await self._change(upload_id, epoch, multipart_id=multipart_id)

    async def set_length(self, upload_id: str, epoch: int, length: int) -> None:
        async with transaction(self._engine) as connection:
            row = await _row(connection, upload_id)
            if row is not None:
                more = Addition(bytes=max(0, length - row.received))
                await self._usage.check(connection, row.user_id, more)
            await _compare_and_set(connection, upload_id, epoch, {"length": length})

    async def advance(
        self, upload_id: str, epoch: int, progress: Progress, lifetime: float
    ) -> None:
        values: dict[str, Any] = {
            "received": progress.received,
            "next_part": progress.next_part,
            "tail_key": progress.tail_key,
            "tail_size": progress.tail_size,
            "expires_at": func.clock_timestamp() + timedelta(seconds=lifetime),
        }
        if progress.content_type is not None:
            values["content_type"] = progress.content_type
        async with transaction(self._engine) as connection:
            row = await _compare_and_set(connection, upload_id, epoch, values)
            if row.length is None:
                # Nobody has asked yet whether there is room for these bytes; now they are counted.
                await self._usage.check(connection, row.user_id, Addition())
            if progress.parts:
                rows = [
                    {"upload_id": upload_id, "number": p.number, "etag": p.etag, "size": p.size}
                    for p in progress.parts
                ]
                await connection.execute(insert(parts), rows)

    async def touch(self, upload_id: str, epoch: int, lifetime: float) -> None:
        expires_at = func.clock_timestamp() + timedelta(seconds=lifetime)
        await self._change(upload_id, epoch, expires_at=expires_at)

    async def release(self, upload_id: str, epoch: int, *, clean: bool) -> None:
        skipped = 0 if clean else SKIPPED_PARTS
        async with transaction(self._engine) as connection:
            await connection.execute(
                update(uploads)
                .where(uploads.c.id == upload_id, uploads.c.epoch == epoch)
                .values(held=False, wanted=False, next_part=uploads.c.next_part + skipped)
            )

    async def begin_completing(
        self,
        upload_id: str,
        epoch: int,
        details: Details | None,
        sha256: str | None,
        content_type: str | None,
    ) -> None:
        values: dict[str, Any] = {
            "phase": "completing",
            "held": False,
            "sha256": sha256,
            "content_type": content_type,
        }
        if details is not None:
            values["details"] = msgspec.to_builtins(details)
        async with transaction(self._engine) as connection:
            row = await _row(connection, upload_id)
            if row is not None and row.length is None:
                # Its bytes were counted as they came, and nobody asked whether there is room.
                await self._usage.check(connection, row.user_id, Addition())
            await _compare_and_set(connection, upload_id, epoch, values)

    async def completed(self, upload_id: str) -> None:
        kept = case((uploads.c.partial, uploads.c.expires_at), else_=func.clock_timestamp() + _KEPT)
        async with transaction(self._engine) as connection:
            await connection.execute(
                update(uploads)
                .where(uploads.c.id == upload_id, uploads.c.phase == "completing")
                .values(phase="completed", expires_at=kept, updated_at=func.clock_timestamp())
            )
            await connection.execute(delete(parts).where(parts.c.upload_id == upload_id))

    async def begin_ending(self, upload_id: str, epoch: int | None = None) -> bool:
        condition = [uploads.c.id == upload_id, uploads.c.phase == "open"]
        if epoch is not None:
            condition.append(uploads.c.epoch == epoch)
        async with transaction(self._engine) as connection:
            ended = await connection.execute(
                update(uploads)
                .where(*condition)
                .values(phase="ending", idempotency_key=None, updated_at=func.clock_timestamp())
            )
        return ended.rowcount == 1

    async def give_up_completing(self, upload_id: str) -> bool:
        async with transaction(self._engine) as connection:
            ended = await connection.execute(
                update(uploads)
                .where(uploads.c.id == upload_id, uploads.c.phase == "completing")
                .values(phase="ending", idempotency_key=None, updated_at=func.clock_timestamp())
            )
        return ended.rowcount == 1

    async def remove(self, upload_id: str) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(delete(uploads).where(uploads.c.id == upload_id))

    async def _change(self, upload_id: str, epoch: int, **values: Any) -> None:
        async with transaction(self._engine) as connection:
            await _compare_and_set(connection, upload_id, epoch, values)


def _addition(upload: Upload) -> Addition:
    """What a new upload adds. The parts of a joined one are counted already."""
    return Addition(
        bytes=0 if upload.joined else upload.length or 0,
        videos=0 if upload.partial else 1,
        open_uploads=0 if upload.protocol == "multipart" or upload.joined else 1,
    )


async def _compare_and_set(
    connection: AsyncConnection, upload_id: str, epoch: int, values: dict[str, Any]
) -> Row[Any, Any]:
    """The row's owner and length, after the change."""
    changed = await connection.execute(
        update(uploads)
        .where(uploads.c.id == upload_id, uploads.c.epoch == epoch, uploads.c.phase == "open")
        .values(updated_at=func.clock_timestamp(), **values)
        .returning(uploads.c.user_id, uploads.c.length)
    )
    row = changed.one_or_none()
    if row is None:
        raise UploadLost("Another request has taken this upload over.")
    return row


async def _check_parts(connection: AsyncConnection, upload: Upload) -> None:
    """Raises PartUsed where another upload that has not failed has joined one of the parts.

    The account's lock, which ``connection`` holds, keeps joins apart that begin at the same time.
    """
    if not upload.joined:
        return
    others = await connection.execute(
        select(uploads.c.id)
        .where(
            uploads.c.user_id == upload.user_id,
            uploads.c.id != upload.id,
            uploads.c.phase != "ending",
            uploads.c.joined.overlap(list(upload.joined)),
        )
        .limit(1)
    )
    if others.first() is not None:
        raise PartUsed("A partial upload can be joined once.")


async def _row(connection: AsyncConnection, upload_id: str) -> Row[Any] | None:
    found = await connection.execute(select(*COLUMNS).where(uploads.c.id == upload_id))
    return found.one_or_none()
