"""Stamps every committed event with its position in one contiguous global order.

Ordering by an identity column loses events: a transaction may commit later with a lower number.
So numbers (``seq``) only say where to look, and a single sequencer stamps positions 1, 2, 3… on
events that it sees committed. A stamped position never changes; an event that commits late gets a
later position. A number that the sequencer skipped is a hole: every pass reads it again, until all
transactions that could own it have ended. One statement reads new events and holes from one
snapshot, so an event never precedes one that was acknowledged before it was appended. Stored
transaction ids are never compared, so the log survives dump and restore, and a long transaction
elsewhere on the server delays nothing. See docs/decisions/0002.
"""

from typing import Any

import asyncpg

from shared.errors import Conflict

_READ = """
select seq, pg_snapshot_xmin(pg_current_snapshot())::text::bigint as oldest_running
from (
    (select seq from log.events where seq > $1 order by seq limit $3)
    union all
    (select seq from log.events where seq = any($2::bigint[]))
) as found
order by seq
"""
_STAMP = """
with stamped as (
    insert into log.positions (position, seq)
    select $1 + place, seq from unnest($2::bigint[]) with ordinality as n(seq, place)
)
insert into log.relay (name, value) values ('frontier', $3)
on conflict (name) do update set value = excluded.value
returning pg_current_xact_id()::text::bigint
"""
_OLDEST_RUNNING = "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_OWN_TRANSACTION = "select pg_current_xact_id()::text::bigint"
_MAX_EVENTS = 2000


class Fenced(Conflict):
    """Another sequencer has stamped, so this one must stop leading."""

    code = "sequencer_fenced"


class Sequencer:
    """Stamps positions over one connection. Only the holder of the relay's lock may run it.

    ``head`` is the last position stamped. ``frontier`` (kept in ``log.relay``) is the number up
    to which every event is stamped or will never come.

    A hole remembers the id of a transaction of the sequencer's own, begun after the hole was
    noticed. The hole's owner had its id before it drew the number, so its id is lower. When every
    transaction below the remembered id has ended and the number is still missing, it never comes.
    A snapshot's xmax would not do: it follows the last transaction that *ended*, and the owner
    may run under that id or a higher one.
    """

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection
        self._holes: dict[int, int] = {}
        self._seen = 0
        self.head = 0

    async def load(self) -> None:
        """Continue from the state that the last sequencer stored."""
        self.head = await self._connection.fetchval(
            "select coalesce(max(position), 0) from log.positions"
        )
        frontier = await self._connection.fetchval(
            "select value from log.relay where name = 'frontier'"
        )
        stamped = {
            row["seq"]
            for row in await self._connection.fetch(
                "select seq from log.positions where seq > $1", frontier or 0
            )
        }
        self._seen = max(stamped, default=frontier or 0)
        missing = [seq for seq in range((frontier or 0) + 1, self._seen) if seq not in stamped]
        noticed: int = await self._connection.fetchval(_OWN_TRANSACTION)
        self._holes = dict.fromkeys(missing, noticed)

    async def stamp(self) -> int:
        """Stamp committed events that have no position yet; returns their number.

        Raises Fenced if another sequencer has stamped them.
        """
        rows: list[Any] = await self._connection.fetch(
            _READ, self._seen, list(self._holes), _MAX_EVENTS
        )
        if not rows:
            await self._forget_dead_holes()
            return 0
        found = [row["seq"] for row in rows]
        oldest_running = rows[0]["oldest_running"]
        filled = set(found)
        holes = {
            seq: noticed
            for seq, noticed in self._holes.items()
            if seq not in filled and noticed > oldest_running
        }
        seen = max(self._seen, found[-1])
        skipped = [seq for seq in range(self._seen + 1, seen) if seq not in filled]
        frontier = min([*holes, *skipped], default=seen + 1) - 1
        try:
            stamped_by: int = await self._connection.fetchval(_STAMP, self.head, found, frontier)
        except asyncpg.UniqueViolationError as error:
            raise Fenced("another sequencer has stamped these events") from error
        self._holes = holes | dict.fromkeys(skipped, stamped_by)
        self._seen = seen
        self.head += len(found)
        return len(found)

    async def _forget_dead_holes(self) -> None:
        """Forget the holes whose possible owners have all ended without committing."""
        if not self._holes:
            return
        oldest_running = await self._connection.fetchval(_OLDEST_RUNNING)
        # Their owners ended before this snapshot, but perhaps after the last read: read once more.
        dead = [seq for seq, noticed in self._holes.items() if noticed <= oldest_running]
        if not dead:
            return
        late = await self._connection.fetchval(
            "select exists (select from log.events where seq = any($1::bigint[]))", dead
        )
        if not late:
            for seq in dead:
                del self._holes[seq]
