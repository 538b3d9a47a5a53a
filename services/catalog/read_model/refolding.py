"""Makes the rows of some entities anew from all of their events, and replaces those that differ."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Table, and_, bindparam, delete, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger, Text

from services.catalog.read_model.folding import Fold, tag_rows
from services.catalog.read_model.library_rows import LibraryRows
from services.catalog.read_model.terms import term_rows
from services.catalog.rows import FeedRow, JobRow, UserRow, VideoRow, VideoTagRow, VideoTermRow
from services.catalog.tables import feed, jobs, users, video_tags, video_terms, videos
from shared.event_store.projections.refold import History
from shared.event_store.store import SequencedEvent

OfVideo = TypeVar("OfVideo", VideoTagRow, VideoTermRow)


class LibraryRefolding:
    """The new rows of some entities.

    The fold of a video asks only one thing of another entity: whether its owner is deleted. What
    that changes can be changed afterwards as well, so that the owners' events are folded last.
    """

    def __init__(
        self, rows: LibraryRows, connection: AsyncConnection, entities: Sequence[str]
    ) -> None:
        self._rows = rows
        self._connection = connection
        self._entities = entities
        self._fold = Fold()
        self._positions: list[int] = []

    async def add(self, events: Sequence[SequencedEvent]) -> None:
        for event in events:
            self._fold.apply(event)
            self._positions.append(event.position)

    async def replace(self, history: History) -> None:
        connection, fold = self._connection, self._fold
        present = await self._present(VideoRow), await self._present(JobRow)
        rows = [row for each in (*present, fold.videos, fold.jobs) for row in each.values()]
        owners = {row.user_id for row in (*rows, *fold.feed)}
        deleted_here = set(fold.forgotten_users)
        for event in await history(sorted(owners - set(self._entities))):
            fold.apply(event)
        await self._write(users, await self._present(UserRow), fold.users)
        await self._write(videos, present[0], fold.videos)
        await self._write(jobs, present[1], fold.jobs)
        tagged = await self._differing(video_tags, VideoTagRow, tag_rows)
        await self._rows.write_tags(connection, fold.videos, tagged)
        reworded = await self._differing(video_terms, VideoTermRow, term_rows)
        await self._rows.write_terms(connection, fold.videos, reworded)
        await self._rows.add_words(connection, fold.words)
        await self._replace_feed(owners | set(self._entities))
        if deleted_here:
            await self._rows.delete(connection, feed, "user_id", deleted_here)
            await self._rows.unlist(connection, deleted_here)

    async def _present(self, kind: Any) -> dict[str, Any]:
        table = {UserRow: users, VideoRow: videos, JobRow: jobs}[kind]
        return await self._rows.rows(self._connection, table, kind, self._entities)

    async def _write(self, table: Any, present: Mapping[str, Any], folded: dict[str, Any]) -> None:
        changed = {id_ for id_ in self._entities if present.get(id_) != folded.get(id_)}
        await self._rows.write(self._connection, table, folded, changed)

    async def _differing(
        self, table: Table, kind: type[OfVideo], rows_of: Callable[[VideoRow], Iterable[OfVideo]]
    ) -> set[str]:
        """The videos whose rows in this table are not those that the fold makes."""
        ids = bindparam("ids", list(self._entities), ARRAY(Text))
        found = await self._connection.execute(select(table).where(table.c.video_id == ids.any_()))
        present = {kind(**row) for row in found.mappings()}
        folded = {
            row
            for id_ in self._entities
            if (video := self._fold.videos.get(id_))
            for row in rows_of(video)
        }
        return {row.video_id for row in present ^ folded}

    async def _replace_feed(self, owners: set[str]) -> None:
        """Replace the rows at the positions of the entities' events."""
        own = set(self._positions)
        folded = {row.position: row for row in self._fold.feed if row.position in own}
        theirs = and_(
            feed.c.user_id == bindparam("users", sorted(owners), ARRAY(Text)).any_(),
            feed.c.position == bindparam("positions", self._positions, ARRAY(BigInteger)).any_(),
        )
        found = await self._connection.execute(select(feed).where(theirs))
        # The database gives JSON back in another form.
        present = {(row.position, _key(FeedRow(**_raw(row)))) for row in found}
        wanted = {(position, _key(row)) for position, row in folded.items()}
        differing = sorted({position for position, _ in present ^ wanted})
        if not differing:
            return
        there = feed.c.position == bindparam("differing", differing, ARRAY(BigInteger)).any_()
        await self._connection.execute(delete(feed).where(theirs, there))
        await self._rows.append_feed(
            self._connection, [folded[position] for position in differing if position in folded]
        )


def _raw(row: Any) -> dict[str, Any]:
    values = dict(row._mapping)
    return {**values, "data": msgspec.Raw(msgspec.json.encode(values["data"]))}


def _key(row: FeedRow) -> bytes:
    values = msgspec.structs.asdict(row)
    return msgspec.json.encode({**values, "data": msgspec.json.decode(row.data)}, order="sorted")
