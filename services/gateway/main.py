"""The gateway's composition root and process."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from litestar import Litestar
from litestar.types import ASGIApp
from prometheus_client import CollectorRegistry

from services.gateway.docs_routes import ApiDocument, docs_routes
from services.gateway.limits.rate_limit import RateLimiter, rules
from services.gateway.limits.redis_pipe import RedisPipe
from services.gateway.limits.traced_rate_limiter import TracedRateLimiter
from services.gateway.media import Media, Visibility
from services.gateway.observability.access_log import AccessLog
from services.gateway.observability.media_metrics import MediaMetrics
from services.gateway.observability.request_metrics import RequestMetrics
from services.gateway.observability.tracing import Tracing
from services.gateway.proxy import Gateway
from services.gateway.request.client_address import ClientAddress
from services.gateway.request.routes import SERVICES, Router, Target, table
from services.gateway.security_headers import Cors
from services.gateway.settings import GatewaySettings
from services.gateway.upstream.breaker import Breaker
from services.gateway.upstream.signed_urls import SignedUrls
from services.gateway.upstream.traced_upstream import (
    TracedObjectStorage,
    TracedUpstream,
)
from services.gateway.upstream.upstreams import Upstream, UpstreamMetrics, Upstreams
from services.gateway.web_files import WebFiles
from shared import settings as environment
from shared import telemetry
from shared.http import server
from shared.http.heads import HeadMiddleware
from shared.http.health import health_routes
from shared.http.identity import Verifier
from shared.http.metrics import (
    TracedHttpMetrics,
    create_registry,
    metrics_route,
)
from shared.http.problems import EXCEPTION_HANDLERS
from shared.settings import SettingsError
from shared.version import VERSION


def build(settings: GatewaySettings, registry: CollectorRegistry) -> Gateway:
    """The whole gateway. Call it inside the event loop that will run it."""
    clock = asyncio.get_running_loop().time
    upstreams = _upstreams(settings, registry)
    pipe = _redis(settings)
    exporting = settings.otel_exporter_otlp_endpoint is not None
    limited = TracedRateLimiter if exporting else RateLimiter
    limiter = limited(pipe, clock, registry)
    verifier = Verifier.from_url(
        settings.jwks_url, issuer=settings.jwt_issuer, audience=settings.jwt_audience
    )
    access_log = AccessLog(
        settings.cinelog_mode == "local", None if settings.access_log else _discard
    )
    media = Media(
        storage=upstreams[Target.MEDIA],
        signed_urls=SignedUrls(
            endpoint=settings.s3_endpoint,
            region=settings.s3_region,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key,
            bucket=settings.s3_media_bucket,
        ),
        visibility=Visibility(upstreams[Target.CATALOG]),
        grant_secret=settings.media_grant_secret,
        metrics=MediaMetrics(registry, telemetry.exemplar if exporting else _no_exemplar),
        redirect_base=settings.media_redirect_base,
    )
    elsewhere = [*settings.csp_origins]
    if settings.media_redirect_base:
        parts = urlsplit(settings.media_redirect_base)
        elsewhere.append(f"{parts.scheme}://{parts.netloc}")

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        await pipe.start()
        await upstreams.start()
        try:
            async with verifier.running():
                yield
        finally:
            await upstreams.stop()
            await pipe.stop()
            access_log.flush()

    return Gateway(
        router=Router(table(settings.max_upload_bytes)),
        rules=rules(settings.buckets),
        limiter=limiter,
        verifier=verifier,
        addresses=ClientAddress(settings.trusted_proxies),
        upstreams=upstreams,
        media=media,
        web=WebFiles(settings.web_folder, tuple(elsewhere), clock),
        own=_own_routes(upstreams, limiter),
        cors=Cors(settings.cors_origins),
        tracing=Tracing(exporting=exporting),
        metrics=TracedHttpMetrics(registry, "gateway") if exporting else RequestMetrics(registry),
        access_log=access_log,
        lifespan=lifespan,
        origin=settings.public_url,
    )


def _upstreams(settings: GatewaySettings, registry: CollectorRegistry) -> Upstreams:
    metrics = UpstreamMetrics(registry)
    bases = {
        Target.AUTH: settings.upstream_auth,
        Target.INGEST: settings.upstream_ingest,
        Target.CATALOG: settings.upstream_catalog,
        Target.TRANSCODER: settings.upstream_transcoder,
        Target.MEDIA: settings.s3_endpoint,
    }
    exporting = settings.otel_exporter_otlp_endpoint is not None
    kinds = {Target.MEDIA: TracedObjectStorage, Target.CATALOG: TracedUpstream} if exporting else {}
    found: dict[str, Upstream] = {}
    for name, base in bases.items():
        try:
            found[name] = kinds.get(name, Upstream)(name.value, base, Breaker(), metrics)
        except ValueError as error:
            variable = "S3_ENDPOINT" if name is Target.MEDIA else f"UPSTREAM_{name.upper()}"
            raise SettingsError(f"{variable}: {error}") from None
    return Upstreams(found)


def _redis(settings: GatewaySettings) -> RedisPipe:
    try:
        return RedisPipe(settings.redis_url)
    except ValueError as error:
        raise SettingsError(f"REDIS_URL: {error}") from None


def _own_routes(upstreams: Upstreams, limiter: RateLimiter) -> ASGIApp:
    """/health, /ready and /docs, as a small application of the framework the services use."""

    def answers(name: str) -> Callable[[], Awaitable[object]]:
        async def check() -> None:
            if not await upstreams[name].probe(timeout=1.9):
                raise ConnectionError(f"{name} is not ready")

        return check

    import swagger_ui_bundle  # noqa: PLC0415 - finds its files when it is imported

    assets = Path(str(swagger_ui_bundle.swagger_ui_path))
    document = ApiDocument(upstreams, tuple(SERVICES), VERSION)
    checks = {name.value: answers(name) for name in SERVICES} | {"redis": limiter.check}
    return HeadMiddleware(
        Litestar(
            [*docs_routes(document, assets), *health_routes(checks)],
            exception_handlers=EXCEPTION_HANDLERS,
            openapi_config=None,
            logging_config=None,
        )
    )


def _no_exemplar() -> None:
    """Where no spans are exported."""


def _discard(_: bytes) -> None:
    """Where access lines go that nobody wants."""


def main() -> None:
    """Serve until SIGTERM, then finish what is under way."""
    settings = environment.load(GatewaySettings, os.environ)
    telemetry.configure("gateway", settings.cinelog_mode, settings.otel_exporter_otlp_endpoint)

    async def run() -> None:
        stop = server.stop_on_signals()
        registry = create_registry(settings.otel_exporter_otlp_endpoint)
        app = build(settings, registry)
        gc.collect()
        gc.freeze()  # what exists now stays: the collector need not walk through it again
        gc.set_threshold(10_000, 20, 20)
        figures = Litestar([metrics_route(registry)], openapi_config=None, logging_config=None)
        async with (
            server.serving(figures, settings.metrics_bind, drain_seconds=1.0),
            server.serving(app, settings.bind),
        ):
            await stop.wait()

    server.run(run)


if __name__ == "__main__":
    environment.run(main)
