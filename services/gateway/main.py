"""Wires the gateway and runs it: ``python -m services.gateway.main``."""

import gc
import os
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from litestar import Litestar
from litestar.types import ASGIApp

from services.gateway.http1.h1_pool import TICK_SECONDS
from services.gateway.limits.connections import SWEEP_SECONDS, Connections
from services.gateway.limits.open_requests import OpenRequests
from services.gateway.limits.rate_limit import RateLimiter, rules
from services.gateway.limits.redis_pipe import RedisPipe
from services.gateway.limits.traced_rate_limiter import TracedRateLimiter
from services.gateway.media.downloads import Downloads
from services.gateway.media.live_media import LiveMedia
from services.gateway.media.media import Media
from services.gateway.media.visibility import Visibility
from services.gateway.observability.access_log import AccessLog
from services.gateway.observability.media_metrics import MediaMetrics, TracedMediaMetrics
from services.gateway.observability.request_metrics import RequestMetrics
from services.gateway.observability.tracing import Tracing
from services.gateway.pages.catalog_facts import CatalogFacts
from services.gateway.pages.docs_routes import ApiDocument, docs_routes
from services.gateway.pages.site import SitePages
from services.gateway.pages.web_files import WebFiles
from services.gateway.proxy.application import Gateway, Handler
from services.gateway.proxy.forwarding import Forwarder
from services.gateway.proxy.observer import RequestObserver
from services.gateway.proxy.shared_reads import SharedReads
from services.gateway.request.callers import Callers
from services.gateway.request.client_address import ClientAddress
from services.gateway.request.routes import SERVICES, Router, Target, table
from services.gateway.security_headers import Cors, client_policy
from services.gateway.settings import GatewaySettings
from services.gateway.upstream.breaker import Breaker
from services.gateway.upstream.edge_cache import CacheMetrics, EdgeCache
from services.gateway.upstream.live_origin import LiveOrigin
from services.gateway.upstream.live_viewers import FLUSH_SECONDS, LiveViewers
from services.gateway.upstream.object_storage import ObjectStorage
from services.gateway.upstream.signed_urls import SignedUrls
from services.gateway.upstream.signing_keys import RENEW_SECONDS, SigningKeys, signing_keys
from services.gateway.upstream.traced_upstream import TracedObjectStorage, TracedUpstream
from services.gateway.upstream.upstreams import Upstream, UpstreamMetrics, Upstreams
from shared import settings
from shared.host.entry import Role, run_entry
from shared.host.host import Host, Process, Served, Work
from shared.http.heads import HeadMiddleware
from shared.http.health import Check, health_routes
from shared.http.metrics import TracedHttpMetrics, metrics_route
from shared.http.problems import EXCEPTION_HANDLERS
from shared.settings import SettingsError
from shared.version import VERSION

_METRICS_DRAIN_SECONDS: Final = 1.0
_READY_SECONDS: Final = 1.9  # for a service's /ready, within the limit of our own


async def compose(
    config: GatewaySettings, host: Host, *, clock: Callable[[], float] = time.monotonic
) -> Process:
    """Routes, limits and forwards requests; serves media, the web client and ``/docs``.

    ``clock`` is a steady clock in seconds; tests bring their own.
    """
    exporting = config.otel_exporter_otlp_endpoint is not None
    upstreams = _upstreams(config, host, exporting)
    pipe = _redis(config)
    limited = TracedRateLimiter if exporting else RateLimiter
    limiter = limited(rules(config.buckets), pipe, clock, host.registry)
    verifier = host.verifier(
        config.jwks_url, issuer=config.jwt_issuer, audience=config.jwt_audience
    )
    await host.stack.enter_async_context(verifier.running())
    keys = await signing_keys(config.s3_access_key, config.s3_secret_key)
    addresses = ClientAddress(config.trusted_proxies)
    viewers = LiveViewers(pipe, config.media_grant_secret)
    cache = _edge_cache(config, host, upstreams, clock)
    connections = Connections(
        config.bind.port, addresses.identity, config.idle_connections, host.registry
    )
    gateway = Gateway(
        router=Router(table(config.max_upload_bytes)),
        callers=Callers(addresses, verifier, config.public_url),
        limiter=limiter,
        open_requests=OpenRequests(config.open_limits, host.registry),
        connections=connections,
        handlers=_handlers(
            config,
            host,
            upstreams,
            limiter,
            viewers=viewers,
            cache=cache,
            storage=_object_storage(config, upstreams, keys, clock),
            clock=clock,
        ),
        cors=Cors(config.cors_origins),
        observer=_observer(config, host, exporting),
    )
    metrics = Litestar([metrics_route(host.registry)], openapi_config=None, logging_config=None)
    return Process(
        servers=[
            Served(metrics, config.metrics_bind, _METRICS_DRAIN_SECONDS),
            Served(gateway, config.bind),
        ],
        work={
            "connections": lambda: host.loops.repeat(
                "count connections", connections.sweep, SWEEP_SECONDS
            ),
            "redis": lambda: host.loops.persist("hold redis", pipe.session),
            "S3 keys": lambda: host.loops.repeat("renew S3 keys", keys.renew, RENEW_SECONDS),
            "viewers": lambda: host.loops.repeat("count viewers", viewers.flush, FLUSH_SECONDS),
            "upstreams": lambda: host.loops.repeat("tick upstreams", upstreams.tick, TICK_SECONDS),
            **_following(host, cache),
        },
    )


def _upstreams(config: GatewaySettings, host: Host, exporting: bool) -> Upstreams:
    metrics = UpstreamMetrics(host.registry)
    bases = {
        Target.AUTH: config.upstream_auth,
        Target.INGEST: config.upstream_ingest,
        Target.CATALOG: config.upstream_catalog,
        Target.TRANSCODER: config.upstream_transcoder,
        Target.LIVE: config.upstream_live,
        Target.MEDIA: config.s3_endpoint,
    }
    kinds = {Target.MEDIA: TracedObjectStorage, Target.CATALOG: TracedUpstream} if exporting else {}
    found: dict[str, Upstream] = {}
    for name, base in bases.items():
        try:
            kind = kinds.get(name, Upstream)
            found[name] = kind(name.value, base, Breaker(), metrics, streams=config.max_streams)
        except ValueError as error:
            variable = "S3_ENDPOINT" if name is Target.MEDIA else f"UPSTREAM_{name.upper()}"
            raise SettingsError(f"{variable}: {error}") from None
    upstreams = Upstreams(found, metrics)
    host.stack.callback(upstreams.close)
    return upstreams


def _edge_cache(
    config: GatewaySettings, host: Host, upstreams: Upstreams, clock: Callable[[], float]
) -> EdgeCache | None:
    if not config.edge_cache_bytes:
        return None
    metrics = CacheMetrics(host.registry)
    return EdgeCache(upstreams[Target.CATALOG], config.edge_cache_bytes, metrics, clock)


def _following(host: Host, cache: EdgeCache | None) -> dict[str, Work]:
    if cache is None:
        return {}
    return {"edge cache": lambda: host.loops.persist("follow the catalog", cache.follow)}


def _redis(config: GatewaySettings) -> RedisPipe:
    try:
        return RedisPipe(config.redis_url)
    except ValueError as error:
        raise SettingsError(f"REDIS_URL: {error}") from None


def _observer(config: GatewaySettings, host: Host, exporting: bool) -> RequestObserver:
    local = config.cinelog_mode == "local"
    access_log = AccessLog(local, None if config.access_log else _discard)
    host.stack.callback(access_log.flush)
    return RequestObserver(
        Tracing(exporting=exporting),
        TracedHttpMetrics(host.registry, "gateway") if exporting else RequestMetrics(host.registry),
        access_log,
    )


def _handlers(
    config: GatewaySettings,
    host: Host,
    upstreams: Upstreams,
    limiter: RateLimiter,
    *,
    viewers: LiveViewers,
    cache: EdgeCache | None,
    storage: ObjectStorage,
    clock: Callable[[], float],
) -> dict[Target, Handler]:
    exporting = config.otel_exporter_otlp_endpoint is not None
    visibility = Visibility(upstreams[Target.CATALOG], clock)
    metrics = (TracedMediaMetrics if exporting else MediaMetrics)(host.registry)
    origin = LiveOrigin(
        upstreams[Target.LIVE],
        lambda address: upstreams.replica(Target.LIVE.value, address),
        time.monotonic,
    )
    media = Media(
        storage=storage,
        visibility=visibility,
        live=LiveMedia(origin, viewers, metrics),
        grant_secret=config.media_grant_secret,
        metrics=metrics,
        redirect_base=config.media_redirect_base,
    )
    elsewhere = [*config.csp_origins]
    if config.media_redirect_base:
        parts = urlsplit(config.media_redirect_base)
        elsewhere.append(f"{parts.scheme}://{parts.netloc}")
    policy = partial(client_policy, elsewhere)
    web = WebFiles(config.web_folder, policy(), clock)
    own = _own_app(host, upstreams, limiter, clock)

    def forget(video: str | None) -> None:
        visibility.forget(video)
        if cache is not None:
            cache.forget(video)

    catalog = upstreams[Target.CATALOG]
    forwarder = Forwarder(upstreams, forget, origin.owner)
    return {
        **dict.fromkeys(
            SERVICES, forwarder if cache is None else SharedReads(forwarder, cache, clock)
        ),
        Target.MEDIA: media,
        Target.DOWNLOAD: Downloads(catalog, storage),
        Target.WEB: web,
        Target.PAGES: SitePages(
            web, CatalogFacts(catalog, (cache or catalog).get), policy, config.embed_origins
        ),
        Target.OWN: lambda exchange, _route: exchange.delegate(own),
    }


def _object_storage(
    config: GatewaySettings, upstreams: Upstreams, keys: SigningKeys, clock: Callable[[], float]
) -> ObjectStorage:
    signed_urls = SignedUrls(
        endpoint=config.s3_endpoint,
        region=config.s3_region,
        keys=keys,
        bucket=config.s3_media_bucket,
        clock=clock,
    )
    return ObjectStorage(upstreams[Target.MEDIA], signed_urls)


def _own_app(
    host: Host, upstreams: Upstreams, limiter: RateLimiter, clock: Callable[[], float]
) -> ASGIApp:
    """``/health``, ``/ready`` and ``/docs``: an application of the framework of all services."""
    import swagger_ui_bundle  # noqa: PLC0415 - finds its files when it is imported

    assets = Path(str(swagger_ui_bundle.swagger_ui_path))
    document = ApiDocument(upstreams, tuple(SERVICES), VERSION, clock)
    checks: dict[str, Check] = {name.value: _ready_check(upstreams, name) for name in SERVICES}
    checks["redis"] = limiter.check
    return HeadMiddleware(
        Litestar(
            [
                *docs_routes(document, assets),
                *health_routes(checks, progress=host.loops.progress),
            ],
            exception_handlers=EXCEPTION_HANDLERS,
            openapi_config=None,
            logging_config=None,
        )
    )


def _ready_check(upstreams: Upstreams, name: str) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        if not await upstreams[name].probe(timeout=_READY_SECONDS):
            raise ConnectionError(f"{name} is not ready")

    return check


def _discard(_lines: bytes) -> None:
    """Takes the access log where it is switched off."""


ENTRIES = {"": Role("gateway", GatewaySettings, compose)}


def main() -> None:
    """Run the gateway until SIGTERM, with a garbage collector that leaves out loaded modules."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    run_entry(ENTRIES, sys.argv[1:], os.environ)


if __name__ == "__main__":
    settings.run(main)
