"""Puts the parts of live together: what serves, what publishers meet, what the leader does."""

import secrets
import shutil
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import httpx
from litestar import Litestar, Router
from sqlalchemy.ext.asyncio import AsyncEngine

from services.live.broadcasts.broadcast import Means
from services.live.broadcasts.broadcasts import Broadcasts
from services.live.broadcasts.figures import show_figures
from services.live.chat.parts import Chats, Outside, open_chats
from services.live.chat.readers import Limits as ReaderLimits
from services.live.clips.clips import Clips
from services.live.clips.making import ClipMaker
from services.live.clips.repository import ClipsRepository
from services.live.doorkeeper import Doorkeeper
from services.live.flv.sink import Tap
from services.live.handlers.allowances import Allowances
from services.live.handlers.audience import Audience
from services.live.handlers.deleted_accounts import DeletedAccounts
from services.live.handlers.finishing import Finishing
from services.live.handlers.intervening import Interventions
from services.live.handlers.live_events import LiveEvents
from services.live.handlers.live_sessions import LiveSessions, Replica
from services.live.handlers.live_streams import LiveStreams
from services.live.handlers.owners import Owners
from services.live.handlers.planning import PLANS, Planning
from services.live.handlers.settling import Settling
from services.live.http.addresses import Addresses, addresses
from services.live.http.app import live_app
from services.live.http.chat import chat_router
from services.live.http.clips import clips_router
from services.live.http.operators import operator_live_routes
from services.live.http.planned import planned_router
from services.live.http.simulcast import simulcast_router
from services.live.ingest_client import IngestClient
from services.live.metrics import LiveMetrics
from services.live.origin.plain import PlainPlaylists
from services.live.origin.routes import Origin, origin_router
from services.live.packaging.child import Program
from services.live.packaging.limits import MediaLimits
from services.live.plans_repository import PlansRepository
from services.live.ports import Session
from services.live.recording.finishing import VideoRecorder
from services.live.recording.spool import Spool
from services.live.rtmp.server import RtmpServer
from services.live.sessions_repository import SessionsRepository
from services.live.settings import LiveSettings
from services.live.simulcast.by_srt import Srt
from services.live.simulcast.dialing import Dialer
from services.live.simulcast.handling import Targets
from services.live.simulcast.repository import Most, TargetsRepository
from services.live.simulcast.sealing import Sealer
from services.live.simulcast.simulcasts import Simulcasts
from services.live.simulcast.transports import Transports
from services.live.srt.calls import SrtError
from services.live.srt.library import Library
from services.live.srt.logins import SrtLogins
from services.live.srt.publishers import SrtPublishers
from services.live.streams_repository import StreamsRepository
from services.live.whip.ice_servers import IceServers
from services.live.whip.routes import whip_routers
from services.live.whip.server import Whip
from shared.blobs.store import BlobStore
from shared.event_store.store import EventStore
from shared.host.buckets import open_s3
from shared.host.host import Host
from shared.host.redis_client import open_redis
from shared.http.sessions import Sessions
from shared.live_viewers.counts import ViewerCounts
from shared.loops.items import ItemMetrics
from shared.programs.confinement import Limits
from shared.programs.finding import find_ffmpeg
from shared.public_addresses import Reach
from shared.settings import SettingsError

_CONNECTIONS: Final = 8
_S3_CONNECTIONS: Final = 64
_CHAT_WAIT_TIMEOUT: Final = 2.0
# Loops of the leader.
SETTLE: Final = "settle sessions"
FINISH: Final = "record sessions"
CLIP: Final = "make clips"
ACCOUNTS: Final = "streams of deleted accounts"
CHAT: Final = "keep chats"
AUDIENCE: Final = "note viewers"
# Of a session's ffmpeg, which runs as long as its publisher sends: no end, a month of CPU time.
_LIMITS: Final = Limits(
    seconds=0, cpu_seconds=30 * 86_400, memory_bytes=1 << 30, file_bytes=1 << 20, nice=0
)


@dataclass(frozen=True)
class Live:
    """The assembled parts of the service. Without Redis there is no chat; without ``library``,
    which is libsrt, no SRT."""

    settling: Settling
    finishing: Finishing
    clips: Clips
    audience: Audience
    accounts: DeletedAccounts
    planning: Planning
    chats: Chats | None
    broadcasts: Broadcasts
    simulcasts: Simulcasts
    publishers: RtmpServer
    whip: Whip | None
    library: Library | None
    srt: SrtPublishers
    app: Litestar


@dataclass(frozen=True)
class _Base:
    """What the parts stand on. ``name`` is this replica's."""

    config: LiveSettings
    host: Host
    engine: AsyncEngine
    log: EventStore
    media: BlobStore
    streams: StreamsRepository
    sessions: SessionsRepository
    events: LiveEvents
    metrics: LiveMetrics
    items: ItemMetrics
    accounts: IngestClient
    name: str

    def advanced(self, loop: str) -> Callable[[], None]:
        """What a loop of the leader calls when it goes on with another item: it speaks for no other
        loop, which may be stuck."""
        return partial(self.host.loops.progress.advance, loop)


async def assemble(config: LiveSettings, host: Host) -> Live:
    """Everything that serves and works."""
    base = await _base(config, host)
    sessions = LiveSessions(
        base.streams,
        base.sessions,
        base.events,
        base.metrics,
        base.accounts,
        replica=Replica(base.name, config.internal_url),
        most_at_once=config.max_lives_per_user,
    )
    user_sessions = Sessions(base.log)
    viewers = ViewerCounts(open_redis(host, config.redis_url) if config.redis_url else None)
    chats = _chats(base, user_sessions)
    program, library = _program(base), _library(config)
    simulcasts, targets = _simulcasts(base, program, library)
    means = _means(base, sessions, program, simulcasts.open)
    recorder = VideoRecorder(sessions, base.media)
    clips = _clips(base, recorder, means)
    broadcasts = Broadcasts(means, most=config.max_lives, cores=config.live_cores)
    show_figures(host.registry, broadcasts.figures)
    door = Doorkeeper(broadcasts)
    whip = Whip(door) if config.whip else None
    planning = _planning(base)
    plain = PlainPlaylists(sessions, base.media, dvr_seconds=means.dvr_seconds)
    routes = [
        clips_router(clips),
        planned_router(planning),
        simulcast_router(targets),
        *([chat_router(chats.chat)] if chats is not None else []),
        origin_router(Origin(broadcasts, plain, sessions)),
        *_whip_routes(config, whip),
        *_operator_routes(base),
    ]
    return Live(
        _settling(base),
        _finishing(base, recorder),
        clips,
        Audience(base.sessions, viewers, base.metrics, advanced=base.advanced(AUDIENCE)),
        DeletedAccounts(
            base.streams,
            base.sessions,
            base.events,
            items=base.items,
            advanced=base.advanced(ACCOUNTS),
        ),
        planning,
        chats,
        broadcasts,
        simulcasts,
        RtmpServer(door),
        whip,
        library,
        SrtPublishers(door, program, _srt_logins(config).claimed),
        _app(base, user_sessions, _streams(base, viewers, planning), routes),
    )


async def _base(config: LiveSettings, host: Host) -> _Base:
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
    client = await host.stack.enter_async_context(httpx.AsyncClient(trust_env=False))
    return _Base(
        config,
        host,
        engine,
        log,
        bucket(config.s3_media_bucket),
        StreamsRepository(engine),
        SessionsRepository(engine),
        LiveEvents(log),
        LiveMetrics(host.registry),
        ItemMetrics(host.registry),
        IngestClient(client, config.upstream_ingest),
        f"{socket.gethostname()}-{secrets.token_hex(3)}",
    )


def _streams(base: _Base, viewers: ViewerCounts, planning: Planning) -> LiveStreams:
    most = base.config.max_live_streams_per_user
    return LiveStreams(base.streams, base.sessions, base.events, viewers, planning, most=most)


def _app(
    base: _Base, sessions: Sessions, streams: LiveStreams, routes: Sequence[Router]
) -> Litestar:
    config, host = base.config, base.host
    return live_app(
        streams,
        addresses=_addresses(config),
        srt=None if config.srt_library is None else _srt_logins(config),
        verifier=host.verifier(
            config.jwks_url, issuer=config.jwt_issuer, audience=config.jwt_audience
        ),
        sessions=sessions,
        checks={"postgres": base.log.head, "storage": base.media.ping},
        registry=host.registry,
        progress=host.loops.progress,
        others=routes,
    )


def _addresses(config: LiveSettings) -> Addresses:
    rtmps = None
    if config.rtmps_certificate is not None:
        rtmps = config.rtmps_url or config.rtmps_bind.port
    srt = None if config.srt_library is None else config.srt_url or config.srt_bind.port
    return addresses(config.rtmp_url, rtmps=rtmps, srt=srt, whip=config.whip)


def _planning(base: _Base) -> Planning:
    return Planning(
        PlansRepository(base.engine),
        base.events,
        most=base.config.max_planned_lives_per_user,
        items=base.items,
        advanced=base.advanced(PLANS),
    )


def _settling(base: _Base) -> Settling:
    allowances = Allowances(base.events, base.accounts, hours=base.config.max_live_hours)
    return Settling(
        base.sessions,
        base.events,
        allowances,
        Owners(),
        items=base.items,
        advanced=base.advanced(SETTLE),
    )


def _finishing(base: _Base, recorder: VideoRecorder) -> Finishing:
    return Finishing(
        base.sessions,
        base.events,
        base.media,
        recorder,
        Owners(),
        metrics=base.metrics,
        items=base.items,
        advanced=base.advanced(FINISH),
    )


def _clips(base: _Base, recorder: VideoRecorder, means: Means) -> Clips:
    maker = ClipMaker(base.events, base.media, recorder, means.program.ffmpeg, means.scratch)
    return Clips(
        ClipsRepository(base.engine, base.config.max_clips_per_day),
        base.sessions,
        base.events,
        maker,
        base.accounts,
        items=base.items,
        advanced=base.advanced(CLIP),
    )


def _simulcasts(
    base: _Base, program: Program, library: Library | None
) -> tuple[Simulcasts, Targets]:
    config = base.config
    reach = config.simulcast_networks or Reach()
    rows, sealer = TargetsRepository(base.engine), Sealer(config.simulcast_key)
    srt = Srt(library, program) if library is not None else None
    transports = Transports(Dialer(reach), srt)
    most = Most(config.max_simulcast_targets, config.max_simulcast_targets_per_user)
    targets = Targets(
        rows, base.sessions, base.events, sealer, reach, most=most, srt=srt is not None
    )
    return Simulcasts(rows, base.events, sealer, transports, reach), targets


def _library(config: LiveSettings) -> Library | None:
    """libsrt, where it is installed. Raises SettingsError."""
    if config.srt_library is None:
        return None
    try:
        return Library(config.srt_library)
    except SrtError as error:
        raise SettingsError(f"SRT_LIBRARY: {error}") from error


def _srt_logins(config: LiveSettings) -> SrtLogins:
    return SrtLogins(config.simulcast_key, plain_keys=config.srt_plain_keys)


def _operator_routes(base: _Base) -> list[Router]:
    secret = base.config.operator_secret
    if not secret:
        return []
    return [operator_live_routes(secret, Interventions(base.sessions, base.events))]


def _chats(base: _Base, sessions: Sessions) -> Chats | None:
    """None where there is no Redis for their messages."""
    config, host = base.config, base.host
    if config.redis_url is None or config.media_grant_secret is None:
        return None
    outside = Outside(
        base.engine,
        open_redis(host, config.redis_url),
        open_redis(host, config.redis_url, timeout=_CHAT_WAIT_TIMEOUT),
        base.events,
        sessions,
        base.media,
        config.media_grant_secret,
    )
    return open_chats(
        outside,
        enabled=config.live_chat,
        limits=ReaderLimits(per_process=config.max_chat_readers),
        items=base.items,
        count=base.metrics.chatting,
        advanced=base.advanced(CHAT),
    )


def _whip_routes(config: LiveSettings, whip: Whip | None) -> list[Router]:
    if whip is None:
        return []
    return whip_routers(whip, IceServers(config.ice_servers, config.turn_secret))


def _program(base: _Base) -> Program:
    """ffmpeg, with an empty folder."""
    config = base.config
    # What an earlier process has left there is of no use: its sessions go on elsewhere.
    shutil.rmtree(config.scratch_dir, ignore_errors=True)
    scratch = Path(config.scratch_dir) / base.name
    scratch.mkdir(parents=True, mode=0o700)
    return Program(find_ffmpeg(config.ffmpeg), scratch, _LIMITS)


def _means(
    base: _Base, sessions: LiveSessions, program: Program, tap: Callable[[Session], Tap]
) -> Means:
    config = base.config
    limits = MediaLimits(
        bit_rate=config.max_live_bit_rate,
        pixels=config.max_live_pixels,
        frame_rate=config.max_live_frame_rate,
    )
    return Means(
        sessions,
        base.media,
        program,
        program.folder,
        config.live_heights,
        limits,
        60 * config.live_dvr_minutes,
        tap,
        Spool(config.live_spool_bytes),
    )
