"""Live's handlers and routes on a real database, with a recorder that a test controls."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
from prometheus_client import CollectorRegistry

from services.live.domain.session import Fenced
from services.live.handlers.allowances import Allowances
from services.live.handlers.audience import Audience
from services.live.handlers.deleted_accounts import DeletedAccounts
from services.live.handlers.finishing import Finishing
from services.live.handlers.intervening import Interventions
from services.live.handlers.live_events import LiveEvents
from services.live.handlers.live_sessions import LiveSessions, Replica
from services.live.handlers.live_streams import LiveStreams
from services.live.handlers.owners import Owners
from services.live.handlers.planning import Planning
from services.live.handlers.settling import Settling
from services.live.http.addresses import Addresses
from services.live.http.app import live_app
from services.live.http.planned import planned_router
from services.live.metrics import LiveMetrics
from services.live.plans_repository import PlansRepository
from services.live.ports import Publisher, Session
from services.live.sessions_repository import SessionsRepository
from services.live.streams_repository import StreamsRepository
from shared.contracts import EncodedTrack, Event, LivePublished, LiveRecorded, Segment
from shared.database.connect import create_engine
from shared.event_store.postgres import PostgresEventStore, open_event_store
from shared.event_store.store import Metadata, NewEvent
from shared.http.identity import Verifier
from shared.loops.items import ItemMetrics
from tests.integration.ingest.harness import StaticKeys
from tests.support.databases import Database

OBS = Publisher("rtmp", "10.0.0.1", "obs")


_NEWER = """
insert into log.events (stream_id, version, event_id, type, schema_version, data, metadata)
select $1, coalesce(max(version), 0) + 1, gen_random_uuid(), $2, 99,
  '{"video_id": "x", "visibility": "unlisted"}', '{}' from log.events where stream_id = $1
"""


class Recording:
    """Implements ``ports.Recorder``."""

    def __init__(self, events: LiveEvents, sessions: LiveSessions) -> None:
        self._events = events
        self._sessions = sessions
        self.fenced = 0

    async def record(self, video_id: str) -> None:
        session = await self._events.session(video_id)
        if self.fenced:
            self.fenced -= 1
            raise Fenced
        recorded = LiveRecorded(
            video_id=video_id,
            playlist_key=f"{video_id}/live/vod.m3u8",
            dash_key=f"{video_id}/live/vod.mpd",
            duration_ms=1000,
            width=640,
            height=360,
            renditions=(),
            size=session.size,
        )
        await self._sessions.recorded(recorded, session.next_segment)


class Bucket:
    """Implements ``ports.MediaStore``."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

    async def delete_prefix(self, prefix: str) -> int:
        self.deleted.append(prefix)
        return 1


class Accounts:
    """Implements ``ports.Accounts``. ``full``: why accounts may store no more."""

    def __init__(self) -> None:
        self.full: dict[str, str] = {}

    async def refusal(self, user_id: str, *, begins: bool) -> str | None:
        return self.full.get(user_id)


class CountedViewers:
    """Implements ``ports.Viewers``."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[int, int]] = {}

    async def now(self, video_ids: Sequence[str]) -> dict[str, int]:
        return {id_: self.known[id_][0] for id_ in video_ids if id_ in self.known}

    async def total(self, video_ids: Sequence[str]) -> dict[str, int]:
        return {id_: self.known[id_][1] for id_ in video_ids if id_ in self.known}


class Replicated:
    """One replica: all parts of live but the media path."""

    def __init__(self, engine: Any, store: PostgresEventStore, name: str) -> None:
        registry = CollectorRegistry()
        streams, sessions = StreamsRepository(engine), SessionsRepository(engine)
        metrics, items = LiveMetrics(registry), ItemMetrics(registry)
        self.engine = engine
        self.events = LiveEvents(store)
        self.accounts = Accounts()
        # Of a steady clock: what is looked at from time to time is looked at once it moves.
        self.now = 0.0
        self.viewers = CountedViewers()
        self.sessions = LiveSessions(
            streams,
            sessions,
            self.events,
            metrics,
            self.accounts,
            replica=Replica(name, f"http://{name}:8000"),
            most_at_once=2,
        )
        allowances = Allowances(self.events, self.accounts, hours=12, clock=lambda: self.now)
        self.settling = Settling(sessions, self.events, allowances, self._owners(), items=items)
        self.deleted_accounts = DeletedAccounts(streams, sessions, self.events, items=items)
        # What planned lives take for now.
        self.ahead = timedelta()
        self.planning = Planning(
            PlansRepository(engine),
            self.events,
            most=2,
            items=items,
            clock=lambda: datetime.now(UTC) + self.ahead,
        )
        self.streams = LiveStreams(
            streams, sessions, self.events, self.viewers, self.planning, most=3
        )
        self.audience = Audience(sessions, self.viewers, metrics)
        self.recorder = Recording(self.events, self.sessions)
        self.interventions = Interventions(sessions, self.events)
        self.bucket = Bucket()
        self.finishing = Finishing(
            *(sessions, self.events, self.bucket, self.recorder, self._owners()),
            metrics=metrics,
            items=items,
        )

    def _owners(self) -> Owners:
        return Owners(lambda: self.now)

    async def rounds(self, seconds: int) -> None:
        """What the leader does in so many seconds."""
        for _ in range(seconds):
            self.now += 1.0
            await self.settling.round()
            await self.finishing.round()


class Live:
    """Two replicas, their database, and the routes of the first."""

    def __init__(self, database: Database, engine: Any, store: PostgresEventStore) -> None:
        self.store = store
        self.one = Replicated(engine, store, "one")
        self.two = Replicated(engine, store, "two")
        self.keys = StaticKeys()
        self.database = database
        self.app = live_app(
            self.one.streams,
            addresses=Addresses(rtmp_url="rtmp://localhost:1935/live"),
            verifier=Verifier(self.keys, issuer="cinelog", audience="cinelog"),
            checks={},
            registry=CollectorRegistry(),
            others=[planned_router(self.one.planning)],
        )

    def client(self, user_id: str | None = "ann") -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {self.keys.token(user_id)}"} if user_id else {}
        transport = httpx.ASGITransport(app=self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://live", headers=headers)

    async def stream(self, user_id: str = "ann", **settings: Any) -> tuple[str, str]:
        """A live stream's id and key."""
        async with self.client(user_id) as client:
            body = {"title": "Bikes", **settings}
            answer = await client.post("/api/v1/live/streams", json=body)
            assert answer.status_code == 201, answer.text
            return answer.json()["data"]["id"], answer.json()["data"]["stream_key"]

    async def status(self, live_id: str, user_id: str = "ann") -> str:
        async with self.client(user_id) as client:
            answer = await client.get(f"/api/v1/live/streams/{live_id}")
            return answer.json()["data"]["status"]

    async def age(self, seconds: float) -> None:
        """Make all owners look as if nothing had been heard of them for so long."""
        await self.execute(
            "update live.sessions set beat_at = beat_at - make_interval(secs => $1),"
            " media_at = media_at - make_interval(secs => $1),"
            " opened_at = opened_at - make_interval(secs => $1)",
            seconds,
        )

    async def append(self, stream: str, event: Event) -> None:
        """As another service does."""
        async with open_event_store(self.database.admin_url) as store:
            version = len((await store.read_streams([stream]))[stream])
            await store.append(stream, version, [NewEvent(event)], Metadata())

    async def append_newer(self, stream: str, kind: str) -> None:
        """An event of a version that this one cannot read."""
        await self.execute(_NEWER, stream, kind)

    async def execute(self, statement: str, *values: Any) -> None:
        owner = await asyncpg.connect(self.database.admin_url)
        try:
            await owner.execute(statement, *values)
        finally:
            await owner.close()


def batch(video_id: str, epoch: int, first: int, count: int = 2) -> LivePublished:
    """Segments of one track."""
    track = EncodedTrack(
        name="720p",
        key=f"{video_id}/live/{epoch}/720p",
        timescale=1000,
        codecs="avc1",
        init_key=f"{video_id}/live/{epoch}/720p/init.mp4",
        init_sha256="00",
        segments=tuple(
            Segment(index=first + at, start=2000 * (first + at), duration=2000, size=100)
            for at in range(count)
        ),
    )
    return LivePublished(
        video_id=video_id,
        epoch=epoch,
        first_segment=first,
        started_at=datetime(2030, 1, 2, tzinfo=UTC),
        tracks=(track,),
    )


@asynccontextmanager
async def running(database: Database) -> AsyncGenerator[Live]:
    engine = create_engine(database.url("live"), size=4)
    try:
        async with open_event_store(database.url("live")) as store:
            yield Live(database, engine, store)
    finally:
        await engine.dispose()


async def types(live: Live, session: Session) -> list[str]:
    """The events of a session."""
    return [type(event).__name__ for event in await live.one.sessions.history(session.video_id)]
