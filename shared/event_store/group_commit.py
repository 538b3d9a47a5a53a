"""Concurrent appends share one commit.

A commit costs one flush of the write-ahead log, however many appends it contains. Appends that
arrive while a write is in progress are queued, and the next write contains all of them; an idle
writer writes immediately. docs/decisions/0003 has the measurements.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from shared.contracts import SCHEMA_VERSIONS, encode
from shared.event_store.serialization import encode_metadata
from shared.event_store.store import Metadata, NewEvent, WrongExpectedVersion

# Events per write: enough to make the cost of the commit negligible, few enough to keep a write
# within a few milliseconds.
_MAX_EVENTS = 500
_WRITERS = 2
_CLOSING_SECONDS = 10.0

LOG_CHANNEL = "cinelog_log"

_UNAVAILABLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)

# A request's rows are written only if its stream is at the expected version. All rows of a request
# have the same expected version, so they are written together or not at all.
_INSERT = """
insert into log.events
    (stream_id, version, event_id, type, schema_version, data, metadata)
select n.stream_id, n.version, n.event_id, n.type, n.schema_version,
       n.data::jsonb, n.metadata::jsonb
from unnest($1::text[], $2::int[], $3::int[], $4::uuid[], $5::text[], $6::int[],
            $7::text[], $8::text[])
     with ordinality
     as n(stream_id, expected, version, event_id, type, schema_version, data, metadata, place)
where n.expected = 0
   or exists (select from log.events e
              where e.stream_id = n.stream_id and e.version = n.expected)
order by n.place
"""
# A notification needs a commit record, but it need not reach the disk: no flush for it.
_NOTIFY = "select set_config('synchronous_commit', 'off', true), pg_notify($1, '')"
# Under load the relay is awake anyway, so notifications need not be closer together.
_NOTIFY_PAUSE_SECONDS = 0.002


@dataclass(slots=True)
class _Request:
    stream_id: str
    expected: int
    rows: list[tuple[Any, ...]]
    event_ids: list[Any]
    done: "asyncio.Future[int]" = field(repr=False)

    @property
    def version(self) -> int:
        return self.expected + len(self.rows)


class GroupCommitter:
    """Queues appends and writes them in groups; use as an async context manager."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self._waiting: deque[_Request] = deque()
        self._wake = asyncio.Event()
        self._notify = asyncio.Event()
        self._busy_streams: set[str] = set()
        self._writing: set[asyncio.Future[int]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "GroupCommitter":
        self._tasks = [asyncio.create_task(self._write_forever()) for _ in range(_WRITERS)]
        self._tasks.append(asyncio.create_task(self._notify_forever()))
        return self

    async def __aexit__(self, *_exc: object) -> None:
        under_way = [request.done for request in self._waiting] + list(self._writing)
        if under_way:
            await asyncio.wait(under_way, timeout=_CLOSING_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        _fail(list(self._waiting), ConnectionError("the event store is closing"))

    async def append(
        self, stream_id: str, expected: int, events: Sequence[NewEvent], metadata: Metadata
    ) -> int:
        """Append; return the new version once it is durable. Raises WrongExpectedVersion."""
        if not events:
            return expected
        encoded_metadata = encode_metadata(metadata)
        rows: list[tuple[Any, ...]] = []
        for offset, event in enumerate(events, start=1):
            name = type(event.data).__name__
            rows.append(
                (
                    stream_id,
                    expected,
                    expected + offset,
                    event.event_id,
                    name,
                    SCHEMA_VERSIONS[name],
                    encode(event.data).decode(),
                    encoded_metadata,
                )
            )
        request = _Request(
            stream_id,
            expected,
            rows,
            [event.event_id for event in events],
            asyncio.get_running_loop().create_future(),
        )
        self._waiting.append(request)
        self._wake.set()
        # Cancelling a caller ends only its wait: its rows may already be written.
        return await request.done

    async def _write_forever(self) -> None:
        while True:
            self._wake.clear()
            if self._waiting:
                await self._write_waiting()
            await self._wake.wait()

    async def _write_waiting(self) -> None:
        """Write groups over one connection until none can be written now, or one fails.

        A connection that is lost may still seem to be open. The pool replaces it if it is, and
        what waits is written over another one.
        """
        try:
            connection = await self._pool.acquire()
        except _UNAVAILABLE as error:
            group = self._next_group()
            _fail(group, error)
            self._free(group)
            return
        try:
            while (group := self._next_group()) and await self._write(connection, group):
                pass
        finally:
            with contextlib.suppress(*_UNAVAILABLE):
                await self._pool.release(connection)

    async def _write(self, connection: Any, group: list[_Request]) -> bool:
        """Write a group and report the outcome to its requests; False if it failed."""
        futures = {request.done for request in group}
        self._writing |= futures
        try:
            await self._write_group(connection, group)
            return True
        except asyncio.CancelledError:
            _fail(group, ConnectionError("the event store is closing"))
            raise
        except Exception as error:
            _fail(group, error)
            return False
        finally:
            self._writing -= futures
            self._free(group)

    def _free(self, group: list[_Request]) -> None:
        self._busy_streams.difference_update(request.stream_id for request in group)
        self._wake.set()

    def _next_group(self) -> list[_Request]:
        """Take queued requests: at most one per stream, and none whose stream is being written."""
        group: list[_Request] = []
        later: list[_Request] = []
        held = set(self._busy_streams)
        events = 0
        while self._waiting and events < _MAX_EVENTS:
            request = self._waiting.popleft()
            if request.stream_id in held:
                later.append(request)
                continue
            held.add(request.stream_id)
            group.append(request)
            events += len(request.rows)
        self._waiting.extendleft(reversed(later))
        self._busy_streams.update(r.stream_id for r in group)
        return group

    async def _write_group(self, connection: Any, group: list[_Request]) -> None:
        try:
            whole = await _insert(connection, group)
        except asyncpg.UniqueViolationError:
            # One conflict rolls back the whole statement: write each request on its own to find
            # the request that conflicts.
            for request in group:
                await self._write_alone(connection, request)
        else:
            for request in group:
                if whole:
                    _resolve(request)
                else:
                    await self._settle(connection, request)
        self._notify.set()

    async def _write_alone(self, connection: Any, request: _Request) -> None:
        try:
            whole = await _insert(connection, [request])
        except asyncpg.UniqueViolationError:
            whole = False
        if whole:
            _resolve(request)
        else:
            await self._settle(connection, request)

    async def _settle(self, connection: Any, request: _Request) -> None:
        """A writer succeeded if its events are in the log, from this try or an earlier one;
        otherwise it lost the race."""
        versions = await connection.fetch(
            "select version from log.events where stream_id = $1 and event_id = any($2::uuid[])",
            request.stream_id,
            request.event_ids,
        )
        if len(versions) == len(request.event_ids):
            if not request.done.done():
                request.done.set_result(max(record["version"] for record in versions))
        elif not request.done.done():
            request.done.set_exception(WrongExpectedVersion(request.stream_id, request.expected))

    async def _notify_forever(self) -> None:
        """Notify the relay after commits. Notifications may be lost: the relay polls, too.

        NOTIFY is not part of the append's transaction, because it serialises commits.
        """
        while True:
            await self._notify.wait()
            self._notify.clear()
            with contextlib.suppress(*_UNAVAILABLE):
                await self._pool.execute(_NOTIFY, LOG_CHANNEL)
                await asyncio.sleep(_NOTIFY_PAUSE_SECONDS)


async def _insert(connection: Any, group: list[_Request]) -> bool:
    """Insert the rows of requests whose expected version holds; return whether all did."""
    rows = [row for request in group for row in request.rows]
    status: str = await connection.execute(_INSERT, *zip(*rows, strict=True))
    return int(status.rpartition(" ")[2]) == len(rows)


def _resolve(request: _Request) -> None:
    if not request.done.done():
        request.done.set_result(request.version)


def _fail(group: list[_Request], error: Exception) -> None:
    for request in group:
        if not request.done.done():
            request.done.set_exception(error)
