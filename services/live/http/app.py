"""Live's application: its routes."""

from collections.abc import Mapping, Sequence

from litestar import Litestar, Router
from litestar.di import Provide
from prometheus_client import CollectorRegistry

from services.live.handlers.live_streams import LiveStreams
from services.live.http.addresses import Addresses
from services.live.http.streams import streams_router
from services.live.srt.logins import SrtLogins
from shared.http.app import create_app
from shared.http.health import Check
from shared.http.identity import Verifier
from shared.http.sessions import Sessions
from shared.loops.progress import Progress


def live_app(
    streams: LiveStreams,
    *,
    addresses: Addresses,
    srt: SrtLogins | None = None,
    verifier: Verifier,
    sessions: Sessions | None = None,
    checks: Mapping[str, Check],
    registry: CollectorRegistry,
    progress: Progress | None = None,
    others: Sequence[Router] = (),
) -> Litestar:
    """The routes of owners, and ``others`` that are not for users. Without ``srt``, nobody is
    received by it."""
    routes = Router(
        "/",
        route_handlers=[streams_router()],
        dependencies={
            "streams": Provide(lambda: streams, sync_to_thread=False),
            "addresses": Provide(lambda: addresses, sync_to_thread=False),
            "srt": Provide(lambda: srt, sync_to_thread=False),
        },
    )
    return create_app(
        "live",
        [routes, *others],
        checks=checks,
        verifier=verifier,
        sessions=sessions,
        registry=registry,
        progress=progress,
    )
