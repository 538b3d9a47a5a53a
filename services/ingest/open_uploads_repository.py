"""The resumable uploads of an account that still take bytes, and what is said of them meanwhile."""

from typing import Final

import msgspec
from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.details import Details
from services.ingest.domain import UploadClosed
from services.ingest.ports import Upload, UploadNotFound
from services.ingest.rows import COLUMNS, is_whole, transaction, upload_of
from services.ingest.tables import uploads

MOST_LISTED: Final = 200
"""An account may have unlimited open uploads, where its operator allows that."""


class OpenUploadsRepository:
    """Implements ``ports.OpenUploads``."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def of_account(self, user_id: str) -> list[Upload]:
        async with transaction(self._engine) as connection:
            found = await connection.execute(
                select(*COLUMNS)
                .where(_described(user_id), _takes_bytes())
                .order_by(uploads.c.created_at.desc(), uploads.c.id.desc())
                .limit(MOST_LISTED)
            )
            return [upload_of(row) for row in found]

    async def describe(self, user_id: str, upload_id: str, details: Details) -> Upload:
        one = and_(uploads.c.id == upload_id, _described(user_id))
        async with transaction(self._engine) as connection:
            changed = await connection.execute(
                update(uploads)
                .where(one, _takes_bytes())
                .values(details=msgspec.to_builtins(details))
                .returning(*COLUMNS)
            )
            row = changed.one_or_none()
            if row is None:
                closed = uploads.c.phase.in_(("completing", "completed"))
                found = await connection.execute(select(uploads.c.id).where(one, closed))
                if found.one_or_none() is None:
                    raise UploadNotFound
                raise UploadClosed("This upload is complete: change the video.")
        return upload_of(row)


def _described(user_id: str) -> ColumnElement[bool]:
    """Uploads of an account that become a video. A joined one is complete at once."""
    return and_(
        uploads.c.user_id == user_id,
        uploads.c.protocol == "tus",
        uploads.c.partial.is_(False),
        uploads.c.joined == [],
    )


def _takes_bytes() -> ColumnElement[bool]:
    return and_(
        uploads.c.phase == "open",
        or_(uploads.c.expires_at > func.clock_timestamp(), is_whole()),
    )
