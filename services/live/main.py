"""Wires live and runs it: ``python -m services.live.main``."""

import asyncio
import os
import secrets
import socket
import sys
from dataclasses import dataclass

from litestar import Litestar

from services.live.handlers.live_events import LiveEvents
from services.live.handlers.live_sessions import LiveSessions, Replica
from services.live.handlers.live_streams import LiveStreams
from services.live.handlers.settling import Settling
from services.live.http.app import live_app
from services.live.metrics import LiveMetrics
from services.live.sessions_repository import SessionsRepository
from services.live.settings import LiveSettings
from services.live.streams_repository import StreamsRepository
from shared import settings
from shared.blobs.s3 import S3Store
from shared.event_store.store import EventStore
from shared.host.buckets import open_s3
from shared.host.entry import Role, run_entry
from shared.host.host import Host, Process, Served
from shared.http.identity import Verifier
from shared.http.sessions import Sessions
from shared.loops.items import ItemMetrics
from shared.loops.leaders import Leader
from shared.loops.loops import Loops

_CONNECTIONS = 8
_S3_CONNECTIONS = 64
_ROUND_SECONDS = 1.0
_ACCOUNTS_SECONDS = 300.0
SETTLE, ACCOUNTS = "settle sessions", "streams of deleted accounts"


@dataclass(frozen=True)
class Live:
    """The assembled parts of the service."""

    log: EventStore
    media: S3Store
    sessions: LiveSessions
    streams: LiveStreams
    settling: Settling
    app: Litestar


async def assemble(
    config: LiveSettings,
    host: Host,
    *,
    verifier: Verifier | None = None,
) -> Live:
    """Everything that serves and works. Tests bring a verifier."""
    engine = await host.engine(config.database_url, size=_CONNECTIONS)
    log = await host.log(config.database_url)
    bucket = await open_s3(
        host,
        config.s3_endpoint,
        config.s3_region,
        config.s3_access_key,
        config.s3_secret_key,
        connections=_S3_CONNECTIONS,
        sync_url=config.s3_sync_url,
    )
    media = bucket(config.s3_media_bucket)
    stream_rows, session_rows = StreamsRepository(engine), SessionsRepository(engine)
    events, metrics = LiveEvents(log), LiveMetrics(host.registry)
    name = f"{socket.gethostname()}-{secrets.token_hex(3)}"
    sessions = LiveSessions(
        stream_rows,
        session_rows,
        events,
        metrics,
        replica=Replica(name, config.internal_url),
        most_at_once=config.max_lives_per_user,
    )
    streams = LiveStreams(stream_rows, session_rows, events, most=config.max_live_streams_per_user)
    settling = Settling(
        stream_rows,
        session_rows,
        events,
        items=ItemMetrics(host.registry),
        advanced=lambda: _advance(host),
    )
    app = live_app(
        streams,
        rtmp_url=config.rtmp_url,
        verifier=verifier
        or host.verifier(config.jwks_url, issuer=config.jwt_issuer, audience=config.jwt_audience),
        sessions=Sessions(log),
        checks={"postgres": log.head, "storage": media.ping},
        registry=host.registry,
        progress=host.loops.progress,
    )
    return Live(log, media, sessions, streams, settling, app)


def _advance(host: Host) -> None:
    for name in (SETTLE, ACCOUNTS):
        host.loops.progress.advance(name)


async def compose(config: LiveSettings, host: Host) -> Process:
    """Serves owners; while it leads, settles sessions."""
    live = await assemble(config, host)
    return Process(
        servers=[Served(live.app, config.bind)],
        work={
            "background": lambda: host.loops.lead(
                Leader.LIVE, config.database_url, lambda _lock: _lead(live, host.loops)
            )
        },
    )


async def _lead(live: Live, loops: Loops) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(loops.repeat(SETTLE, live.settling.round, _ROUND_SECONDS))
        group.create_task(loops.repeat(ACCOUNTS, live.settling.accounts, _ACCOUNTS_SECONDS))


ENTRIES = {"": Role("live", LiveSettings, compose)}

if __name__ == "__main__":
    settings.run(lambda: run_entry(ENTRIES, sys.argv[1:], os.environ))
