"""Live's application: its routes, and the answers to failures of the log."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg
from litestar import Litestar, Request, Response, Router
from litestar.di import Provide
from prometheus_client import CollectorRegistry

from services.live.handlers.live_streams import LiveStreams
from services.live.http.streams import streams_router
from shared.errors import Unavailable
from shared.http.app import create_app
from shared.http.health import Check
from shared.http.identity import Verifier
from shared.http.problems import on_cinelog_error
from shared.http.sessions import Sessions
from shared.loops.progress import Progress


class LogUnavailable(Unavailable):
    """The event log does not answer. Nothing was changed."""

    code = "log_unavailable"


def live_app(
    streams: LiveStreams,
    *,
    rtmp_url: str,
    verifier: Verifier,
    sessions: Sessions | None = None,
    checks: Mapping[str, Check],
    registry: CollectorRegistry,
    progress: Progress | None = None,
    others: Sequence[Router] = (),
) -> Litestar:
    """The routes of owners, and ``others`` that are not for users."""
    routes = Router(
        "/",
        route_handlers=[streams_router()],
        dependencies={
            "streams": Provide(lambda: streams, sync_to_thread=False),
            "rtmp_url": Provide(lambda: rtmp_url, sync_to_thread=False),
        },
        exception_handlers=dict.fromkeys(_CONNECTION_ERRORS, _on_connection_error),
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


# The event store raises these where the database does not answer.
_CONNECTION_ERRORS: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)


def _on_connection_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    text = "Live streams cannot be read or changed right now."
    return on_cinelog_error(request, LogUnavailable(text))
