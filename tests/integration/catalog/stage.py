"""The stage of the catalog's tests: a log to append events to, and the application over HTTP."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.catalog.http.dependencies import Catalog
from services.catalog.main import compose_api
from services.catalog.pending_views import PendingViews
from services.catalog.projector import BackgroundTasks
from services.catalog.queries.duties import Duties
from services.catalog.read_model.projections import Library
from services.catalog.settings import ApiSettings
from shared.contracts import Event, UserRegistered, new_id, stream_id
from shared.database.connect import create_engine
from shared.event_store.postgres import PostgresEventStore, open_event_store
from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.sequencer import Sequencer
from shared.event_store.store import Metadata, NewEvent
from shared.host.host import open_host
from shared.http.identity import Verifier
from shared.http.jwks import Keys
from shared.http.server import lifespan
from shared.loops.items import ItemMetrics
from shared.public_addresses import Reach
from shared.settings import Address, Key, Secret
from tests.support.buckets import Buckets
from tests.support.catalog_events import transcoded, uploaded
from tests.support.databases import Database
from tests.support.processes import working
from tests.support.wait import eventually

ISSUER, AUDIENCE = "https://auth.test", "cinelog"
GRANT_SECRET = "a-secret-of-32-characters-for-tests-0123"


class FixedKeys:
    """A key source with one key that never changes."""

    def __init__(self, public: ec.EllipticCurvePublicKey) -> None:
        self.current: Keys | None = Keys({"test": public}, frozenset())

    async def refetch(self) -> None:
        """There is nothing to fetch."""

    def running(self) -> AbstractAsyncContextManager[None]:
        return contextlib.nullcontext()


class Stage:
    """The log, its sequencer and projector, and a client of the API."""

    def __init__(
        self,
        database: Database,
        store: PostgresEventStore,
        engine: AsyncEngine,
        client: httpx.AsyncClient,
        key: ec.EllipticCurvePrivateKey,
        app: Any,
    ) -> None:
        self.app = app
        self.database = database
        self.store = store
        self.engine = engine
        self.client = client
        self._key = key
        self._versions: dict[str, int] = {}
        self._projecting: list[asyncio.Task[None]] = []
        self._stamping: list[asyncio.Task[None]] = []

    async def record(self, stream: str, *events: Event, at: int | None = None) -> int:
        """Append events in place of their service; returns the stream's version."""
        version = self._versions.get(stream, 0) if at is None else at
        metadata = Metadata(traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
        after = await self.store.append(stream, version, [NewEvent(e) for e in events], metadata)
        self._versions[stream] = after
        return after

    async def settle(self) -> None:
        """Wait until the read models include every event of the log."""
        async with AsyncExitStack() as stack:
            connection = await asyncpg.connect(self.database.admin_url)
            stack.push_async_callback(connection.close)

            async def shown() -> bool:
                return await connection.fetchval(
                    "select (select count(*) from log.events) ="
                    " coalesce((select position from catalog.checkpoints), 0)"
                )

            await eventually(shown)

    def start_stamping(self) -> None:
        """Give positions to events from now on."""

        async def stamp() -> None:
            connection = await asyncpg.connect(self.database.url("relay"))
            try:
                sequencer = Sequencer(connection)
                await sequencer.load()
                while True:
                    if not await sequencer.stamp():
                        await asyncio.sleep(0.01)
            finally:
                connection.terminate()

        self._stamping.append(asyncio.create_task(stamp()))

    def start_projecting(self) -> None:
        """Keep the read models up to date from now on."""
        runner = self.runner()
        self._projecting.append(asyncio.create_task(runner.run()))

    def runner(self, **options: Any) -> ProjectionRunner:
        """A projection runner of this stage's own database."""
        return ProjectionRunner(
            self.engine, self.store, Library(), "catalog", poll_seconds=0.02, **options
        )

    def followers(self) -> int:
        """The number of requests that follow a video."""
        catalog: Catalog = self.app.dependencies["catalog"].dependency()
        return catalog.tail.following

    def background(self) -> BackgroundTasks:
        """The background tasks of a leading projector."""
        metrics = ItemMetrics(CollectorRegistry())
        return BackgroundTasks(self.store, PendingViews(self.engine), Duties(self.engine), metrics)

    async def count_pending_views(self) -> int:
        """Append all counted views to the log; returns the number of batches."""
        return await self.background().write_views(age=0)

    async def stop_projecting(self) -> None:
        """Stop the projector; the read models stay as they are."""
        await _cancel(self._projecting)

    async def stop_stamping(self) -> None:
        """Stop the sequencer: events recorded from now on have no position."""
        await _cancel(self._stamping)
        self._stamping.clear()

    async def stop(self) -> None:
        """Stop the projector and the sequencer."""
        await _cancel(self._projecting)
        await _cancel(self._stamping)

    async def query(self, statement: str, *values: Any) -> list[Any]:
        """Run a query as the owner of the database."""
        connection = await asyncpg.connect(self.database.admin_url)
        try:
            return [dict(row) for row in await connection.fetch(statement, *values)]
        finally:
            await connection.close()

    def login(
        self,
        user_id: str,
        username: str = "somebody",
        *,
        lifetime: int = 600,
        session: str | None = None,
    ) -> dict[str, str]:
        """Headers with an access token of this user, valid for ``lifetime`` seconds."""
        now = int(time.time())
        claims = {
            **{"iss": ISSUER, "aud": AUDIENCE, "sub": user_id, "username": username},
            **{
                "sid": session or new_id(),
                "jti": new_id(),
                "iat": now,
                "nbf": now,
                "exp": now + lifetime,
            },
        }
        token = jwt.encode(
            claims, self._key, algorithm="ES256", headers={"kid": "test", "typ": "at+jwt"}
        )
        return {"authorization": f"Bearer {token}"}

    async def user(self, username: str | None = None) -> str:
        """A registered user's id."""
        user_id = new_id()
        name = username or f"user-{user_id}"
        await self.record(
            stream_id("user", user_id), UserRegistered(user_id=user_id, username=name)
        )
        return user_id

    async def upload(self, user_id: str, title: str = "A video", **facts: Any) -> str:
        """The id of a video, by default a new one, whose upload is complete."""
        video_id = facts.pop("video_id", None) or new_id()
        await self.record(
            stream_id("upload", video_id), uploaded(video_id, user_id, title, **facts)
        )
        return video_id

    async def ready(self, user_id: str, title: str = "A video", **facts: Any) -> str:
        """The id of a new video that is listed and playable."""
        video_id = await self.upload(user_id, title, **facts)
        await self.record(stream_id("transcode", video_id), *transcoded(video_id, user_id))
        return video_id

    async def get(self, path: str, user: str | None = None, **options: Any) -> httpx.Response:
        return await self.call("GET", path, user, **options)

    async def call(
        self, method: str, path: str, user: str | None = None, **options: Any
    ) -> httpx.Response:
        """A request, as ``user`` if one is given."""
        headers = {**options.pop("headers", {}), **(self.login(user) if user else {})}
        return await self.client.request(method, path, headers=headers, **options)


@asynccontextmanager
async def open_stage(
    database: Database,
    *,
    auth_url: str = "http://127.0.0.1:9",
    follow: bool = True,
    redis_url: str | None = None,
    s3: Buckets | None = None,
    bin_days: int = 30,
) -> AsyncIterator[Stage]:
    """Opens a stage; ``follow`` starts its sequencer and projector. ``s3``: for captions."""
    key = ec.generate_private_key(ec.SECP256R1())
    verifier = Verifier(FixedKeys(key.public_key()), issuer=ISSUER, audience=AUDIENCE)
    config = ApiSettings(
        cinelog_mode="local",
        database_url=Secret(database.url("catalog")),
        bind=Address("127.0.0.1", 1),
        jwks_url="http://127.0.0.1:9",
        jwt_issuer=ISSUER,
        jwt_audience=AUDIENCE,
        media_grant_secret=Key(GRANT_SECRET),
        auth_url=auth_url,
        s3_endpoint=s3.endpoint if s3 else "http://127.0.0.1:9",
        s3_access_key=s3.access_key if s3 else "",
        s3_secret_key=Secret(s3.secret_key if s3 else ""),
        s3_media_bucket=s3.media if s3 else "none",
        public_url="https://cinelog.test",
        webhook_networks=Reach.parse("127.0.0.0/8"),
        redis_url=Secret(redis_url) if redis_url else None,
        bin_days=bin_days,
    )
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(open_host())
        process = await compose_api(config, host, verifier=verifier)
        app = process.servers[0].app
        await stack.enter_async_context(lifespan(app))
        await stack.enter_async_context(working(process))
        store = await stack.enter_async_context(open_event_store(database.admin_url))
        engine = create_engine(database.url("catalog"), size=3)
        stack.push_async_callback(engine.dispose)
        transport: Any = httpx.ASGITransport(app)
        client = await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://catalog/api/v1", timeout=20)
        )
        stage = Stage(database, store, engine, client, key, app)
        stack.push_async_callback(stage.stop)
        if follow:
            stage.start_stamping()
            stage.start_projecting()
        yield stage


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    tasks.clear()
