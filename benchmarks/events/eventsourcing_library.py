"""The `eventsourcing` library at the same work: its PostgreSQL recorder, mapper and transcoder.

Its recorder is called directly, without its application layer, which would only add to the cost.
"""

# The library is in requirements/bench.txt alone; types are checked without it.
# pyright: reportMissingImports=false

import threading
import time
import uuid
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

import msgspec
from eventsourcing.domain import Aggregate
from eventsourcing.persistence import (
    DatetimeAsISO,
    JSONTranscoder,
    Mapper,
    UUIDAsHex,
)
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from benchmarks.events.history import events

_PAGE = 5000


class Fact(Aggregate.Event):
    """One of our events, as the library would hold it."""

    kind: str
    data: dict[str, object]


class Library:
    """A recorder over a pool of connections, and what it maps events with."""

    def __init__(self, url: str, connections: int) -> None:
        parts = urlsplit(url)
        self._store = PostgresDatastore(
            parts.path.lstrip("/"),
            parts.hostname or "",
            parts.port or 5432,
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            pool_size=connections,
            connect_timeout=30,
        )
        self._recorder = PostgresApplicationRecorder(self._store, events_table_name="peer_events")
        self._recorder.create_table()
        transcoder = JSONTranscoder()
        transcoder.register(UUIDAsHex())
        transcoder.register(DatetimeAsISO())
        self._mapper: Mapper[uuid.UUID] = Mapper(transcoder)

    def close(self) -> None:
        """Give the connections back."""
        self._store.close()

    def append_rate(self, writers: int, seconds: float, kind: str, data: bytes) -> float:
        """Events per second, one per transaction, each writer in a thread of its own."""
        fields = msgspec.json.decode(data)
        counts = [0] * writers
        started = time.perf_counter()

        def write(number: int) -> None:
            stream, version = uuid.uuid4(), 0
            while time.perf_counter() < started + seconds:
                version += 1
                self._insert([_fact(stream, version, kind, fields)])
                counts[number] += 1

        threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts) / (time.perf_counter() - started)

    def fill(self, count: int) -> None:
        """Put in ``count`` events of the same history."""
        page: list[Fact] = []
        versions: dict[str, int] = {}
        for stream, event in events(count):
            version = versions[stream] = versions.get(stream, 0) + 1
            fields = msgspec.to_builtins(event)
            own = uuid.uuid5(uuid.NAMESPACE_OID, stream)
            page.append(_fact(own, version, type(event).__name__, fields))
            if len(page) == _PAGE:
                self._insert(page)
                page = []
        if page:
            self._insert(page)

    def read_rate(self, count: int) -> float:
        """Events read and decoded per second, in the order of the log."""
        started = time.perf_counter()
        read, after = 0, 1
        while read < count:
            page = self._recorder.select_notifications(after, _PAGE)
            for notification in page:
                self._mapper.to_domain_event(notification)
            read += len(page)
            after = page[-1].id + 1
        return read / (time.perf_counter() - started)

    def _insert(self, facts: list[Fact]) -> None:
        self._recorder.insert_events([self._mapper.to_stored_event(fact) for fact in facts])


def _fact(stream: uuid.UUID, version: int, kind: str, data: dict[str, object]) -> Fact:
    return Fact(
        originator_id=stream,
        originator_version=version,
        timestamp=datetime.now(UTC),
        kind=kind,
        data=data,
    )
