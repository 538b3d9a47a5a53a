"""Wires live and runs it: ``python -m services.live.main``."""

import asyncio
import os
import secrets
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
from litestar import Litestar, Router
from sqlalchemy.ext.asyncio import AsyncEngine

from services.live import listeners
from services.live.broadcasts.broadcast import Means
from services.live.broadcasts.broadcasts import Broadcasts
from services.live.broadcasts.figures import show_figures
from services.live.chat.hub import CHECK_SECONDS, WAIT_SECONDS
from services.live.chat.keeping import ROUND_SECONDS
from services.live.chat.parts import Chats, Outside, open_chats
from services.live.chat.readers import Limits as ReaderLimits
from services.live.clips.clips import Clips
from services.live.clips.making import ClipMaker
from services.live.clips.repository import ClipsRepository
from services.live.doorkeeper import Doorkeeper
from services.live.flv.sink import Tap
from services.live.handlers.allowances import Allowances
from services.live.handlers.audience import Audience
from services.live.handlers.finishing import Finishing
from services.live.handlers.intervening import Interventions
from services.live.handlers.live_events import LiveEvents
from services.live.handlers.live_sessions import LiveSessions, Replica
from services.live.handlers.live_streams import LiveStreams
from services.live.handlers.settling import Settling
from services.live.http.app import live_app
from services.live.http.chat import chat_router
from services.live.http.clips import clips_router
from services.live.http.operators import operator_live_routes
from services.live.http.simulcast import simulcast_router
from services.live.ingest_client import IngestClient
from services.live.metrics import LiveMetrics
from services.live.origin.plain import PlainPlaylists
from services.live.origin.routes import Origin, origin_router
from services.live.packaging.child import Program
from services.live.packaging.limits import MediaLimits
from services.live.ports import Session
from services.live.recording.finishing import VideoRecorder
from services.live.recording.segment_queue import Spool
from services.live.rtmp.server import RtmpServer
from services.live.sessions_repository import SessionsRepository
from services.live.settings import LiveSettings
from services.live.simulcast.dialing import Dialer
from services.live.simulcast.handling import Targets
from services.live.simulcast.repository import Most, TargetsRepository
from services.live.simulcast.sealing import Sealer
from services.live.simulcast.simulcasts import Simulcasts
from services.live.srt.publishers import SrtPublishers
from services.live.streams_repository import StreamsRepository
from services.live.whip import receiving
from services.live.whip.ice_servers import IceServers
from services.live.whip.routes import whip_routers
from services.live.whip.server import Whip
from shared import settings
from shared.blobs.s3 import S3Store
from shared.event_store.store import EventStore
from shared.host.buckets import open_s3
from shared.host.entry import Role, run_entry
from shared.host.host import Host, Process, Served, Work
from shared.host.redis_client import open_redis
from shared.http.identity import Verifier
from shared.http.sessions import Sessions
from shared.live_viewers.counts import ViewerCounts
from shared.loops.items import ItemMetrics
from shared.loops.leaders import Leader
from shared.loops.loops import Loops
from shared.programs.confinement import Limits, protect_memory
from shared.programs.finding import find_ffmpeg
from shared.public_addresses import Reach

_CONNECTIONS = 8
_S3_CONNECTIONS = 64
_ROUND_SECONDS = 1.0
_RECORD_SECONDS = 0.5
_ACCOUNTS_SECONDS = 300.0
_AUDIENCE_SECONDS = 5.0
SETTLE, FINISH, ACCOUNTS = "settle sessions", "record sessions", "streams of deleted accounts"
CLIP = "make clips"
AUDIENCE = "note viewers"
CHAT = "keep chats"
_CHAT_WAIT_TIMEOUT = 2.0
# Making the playlists of a session of many hours reads all its events.
_FINISH_SILENCE_SECONDS = 900.0
# Of a session's ffmpeg, which runs as long as its publisher sends: no end, a month of CPU time.
_LIMITS = Limits(
    seconds=0, cpu_seconds=30 * 86_400, memory_bytes=1 << 30, file_bytes=1 << 20, nice=0
)


@dataclass(frozen=True)
class Live:
    """The assembled parts of the service."""

    log: EventStore
    media: S3Store
    sessions: LiveSessions
    streams: LiveStreams
    clips: Clips
    settling: Settling
    finishing: Finishing
    audience: Audience
    chats: Chats | None
    broadcasts: Broadcasts
    simulcasts: Simulcasts
    publishers: RtmpServer
    whip: Whip | None
    srt: SrtPublishers
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
    client = await host.stack.enter_async_context(httpx.AsyncClient(trust_env=False))
    accounts = IngestClient(client, config.upstream_ingest)
    name = f"{socket.gethostname()}-{secrets.token_hex(3)}"
    sessions = LiveSessions(
        stream_rows,
        session_rows,
        events,
        metrics,
        accounts,
        replica=Replica(name, config.internal_url),
        most_at_once=config.max_lives_per_user,
    )
    viewers = ViewerCounts(open_redis(host, config.redis_url) if config.redis_url else None)
    streams = LiveStreams(
        stream_rows, session_rows, events, viewers, most=config.max_live_streams_per_user
    )
    items = ItemMetrics(host.registry)
    settling = Settling(
        stream_rows,
        session_rows,
        events,
        Allowances(events, accounts, hours=config.max_live_hours),
        items=items,
        advanced=lambda: _advance(host),
    )
    recorder = VideoRecorder(sessions, media)
    finishing = Finishing(
        session_rows,
        events,
        media,
        recorder,
        metrics=metrics,
        items=items,
        advanced=lambda: _advance(host),
    )
    reach = config.simulcast_networks or Reach()
    target_rows, sealer = TargetsRepository(engine), Sealer(config.simulcast_key)
    simulcasts = Simulcasts(target_rows, events, sealer, Dialer(reach), reach)
    most = Most(config.max_simulcast_targets, config.max_simulcast_targets_per_user)
    targets = Targets(target_rows, session_rows, events, sealer, reach, most=most)
    means = _means(config, sessions, media, name, simulcasts.open)
    clips = Clips(
        ClipsRepository(engine),
        session_rows,
        events,
        ClipMaker(events, media, recorder, means.program.ffmpeg, means.scratch),
        most=config.max_clips_per_day,
        items=items,
        advanced=lambda: _advance(host),
    )
    broadcasts = Broadcasts(means, most=config.max_lives, cores=config.live_cores)
    show_figures(host.registry, broadcasts.figures)
    door = Doorkeeper(broadcasts)
    whip = Whip(door, config.max_lives) if config.whip else None
    plain = PlainPlaylists(sessions, media, dvr_seconds=means.dvr_seconds)
    user_sessions = Sessions(log)
    chats = _chats(
        config, host, engine, events, user_sessions, media=media, metrics=metrics, items=items
    )
    origin = Origin(broadcasts, plain, sessions)
    app = live_app(
        streams,
        rtmp_url=config.rtmp_url,
        verifier=verifier
        or host.verifier(config.jwks_url, issuer=config.jwt_issuer, audience=config.jwt_audience),
        sessions=user_sessions,
        checks={"postgres": log.head, "storage": media.ping},
        registry=host.registry,
        progress=host.loops.progress,
        others=[
            clips_router(clips),
            simulcast_router(targets),
            *([chat_router(chats.chat)] if chats is not None else []),
            origin_router(origin),
            *_whip_routes(config, whip),
            *_operator_routes(config, session_rows, events),
        ],
    )
    return Live(
        log,
        media,
        sessions,
        streams,
        clips,
        settling,
        finishing,
        Audience(session_rows, viewers, metrics),
        chats,
        broadcasts,
        simulcasts,
        RtmpServer(door),
        whip,
        SrtPublishers(door, means.program, config.srt_passphrase),
        app,
    )


def _operator_routes(
    config: LiveSettings, sessions: SessionsRepository, events: LiveEvents
) -> list[Router]:
    secret = config.operator_secret
    return [operator_live_routes(secret, Interventions(sessions, events))] if secret else []


def _chats(
    config: LiveSettings,
    host: Host,
    engine: AsyncEngine,
    events: LiveEvents,
    sessions: Sessions,
    *,
    media: S3Store,
    metrics: LiveMetrics,
    items: ItemMetrics,
) -> Chats | None:
    """None where there is no Redis for their messages."""
    if config.redis_url is None or config.media_grant_secret is None:
        return None
    outside = Outside(
        engine,
        open_redis(host, config.redis_url),
        open_redis(host, config.redis_url, timeout=_CHAT_WAIT_TIMEOUT),
        events,
        sessions,
        media,
        config.media_grant_secret,
    )
    return open_chats(
        outside,
        enabled=config.live_chat,
        limits=ReaderLimits(per_process=config.max_chat_readers),
        items=items,
        count=metrics.chatting,
        advanced=lambda: _advance(host),
    )


def _whip_routes(config: LiveSettings, whip: Whip | None) -> list[Router]:
    if whip is None:
        return []
    return whip_routers(whip, IceServers(config.ice_servers, config.turn_secret))


def _means(
    config: LiveSettings,
    sessions: LiveSessions,
    media: S3Store,
    name: str,
    tap: Callable[[Session], Tap],
) -> Means:
    # What an earlier process has left there is of no use: its sessions go on elsewhere.
    shutil.rmtree(config.scratch_dir, ignore_errors=True)
    scratch = Path(config.scratch_dir) / name
    scratch.mkdir(parents=True, mode=0o700)
    program = Program(find_ffmpeg(config.ffmpeg), scratch, _LIMITS)
    limits = MediaLimits(
        bit_rate=config.max_live_bit_rate,
        pixels=config.max_live_pixels,
        frame_rate=config.max_live_frame_rate,
    )
    return Means(
        sessions,
        media,
        program,
        scratch,
        config.live_heights,
        limits,
        60 * config.live_dvr_minutes,
        tap,
        Spool(config.live_spool_bytes),
    )


def _advance(host: Host) -> None:
    for name in (SETTLE, FINISH, ACCOUNTS, CLIP, CHAT):
        host.loops.progress.advance(name)


async def compose(config: LiveSettings, host: Host) -> Process:
    """Serves owners and publishers; while it leads, settles sessions and makes their videos."""
    protect_memory()
    receiving.install()
    live = await assemble(config, host)
    loops, broadcasts = host.loops, live.broadcasts
    listener = listeners.srt(config, live.srt)
    certificate = listeners.certificate(config)

    async def drain() -> None:
        broadcasts.drain()
        await live.publishers.close()
        if live.whip is not None:
            await live.whip.close()
        if listener is not None:
            await listener.close()
        await live.simulcasts.close()
        await broadcasts.close()

    return Process(
        servers=[Served(live.app, config.bind)],
        drain=drain,
        work={
            "publishers": lambda: listeners.rtmp(live.publishers, config, certificate),
            **listeners.reading(certificate, loops),
            "report": lambda: loops.repeat("report sessions", broadcasts.report, _ROUND_SECONDS),
            "simulcast": lambda: loops.repeat(
                "simulcast targets", live.simulcasts.round, _ROUND_SECONDS
            ),
            "record": lambda: loops.repeat("store segments", broadcasts.record, _RECORD_SECONDS),
            **_chat_work(live.chats, loops),
            "background": lambda: host.loops.lead(
                Leader.LIVE, config.database_url, lambda _lock: _lead(live, host.loops)
            ),
        },
    )


def _chat_work(chats: Chats | None, loops: Loops) -> dict[str, Work]:
    if chats is None:
        return {}
    hub = chats.hub
    return {
        "chat": lambda: loops.repeat("read chats", hub.advance, WAIT_SECONDS, wake=hub.wake),
        "chat readers": lambda: loops.repeat("check chats", hub.check, CHECK_SECONDS),
    }


async def _lead(live: Live, loops: Loops) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(loops.repeat(SETTLE, live.settling.round, _ROUND_SECONDS))
            for name, step in ((FINISH, live.finishing.round), (CLIP, live.clips.round)):
                group.create_task(
                    loops.repeat(
                        name, step, _ROUND_SECONDS, silence_seconds=_FINISH_SILENCE_SECONDS
                    )
                )
            group.create_task(loops.repeat(AUDIENCE, live.audience.round, _AUDIENCE_SECONDS))
            if live.chats is not None:
                group.create_task(loops.repeat(CHAT, live.chats.keeping.round, ROUND_SECONDS))
            group.create_task(loops.repeat(ACCOUNTS, live.settling.accounts, _ACCOUNTS_SECONDS))
    finally:
        live.audience.leave()


ENTRIES = {"": Role("live", LiveSettings, compose)}

if __name__ == "__main__":
    settings.run(lambda: run_entry(ENTRIES, sys.argv[1:], os.environ))
