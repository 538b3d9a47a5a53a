"""Ingest's application: its routes, and the answers to failures of the log."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg
from litestar import Litestar, Request, Response, Router
from litestar.di import Provide
from prometheus_client import CollectorRegistry

from services.ingest.handlers.direct import DirectUploads
from services.ingest.handlers.form_upload import FormUploads
from services.ingest.handlers.open_uploads import OpenUploadsHandler
from services.ingest.handlers.resumable import Resumable
from services.ingest.http.direct import direct_router
from services.ingest.http.form import upload_form
from services.ingest.http.open_uploads import open_uploads_router
from services.ingest.http.uploads import uploads_router
from services.ingest.http.usage import live_room_router, usage_router
from services.ingest.usage_repository import UsageRepository
from shared.errors import Unavailable
from shared.http.app import create_app
from shared.http.health import Check
from shared.http.identity import Verifier
from shared.http.lingering import LingeringMiddleware
from shared.http.problems import on_cinelog_error
from shared.http.sessions import Sessions
from shared.loops.progress import Progress


class LogUnavailable(Unavailable):
    """The event log does not answer. Nothing was acknowledged."""

    code = "log_unavailable"


def ingest_app(
    form_uploads: FormUploads,
    resumable: Resumable,
    direct_uploads: DirectUploads,
    open_uploads: OpenUploadsHandler,
    usage: UsageRepository,
    *,
    verifier: Verifier,
    sessions: Sessions | None = None,
    checks: Mapping[str, Check],
    registry: CollectorRegistry,
    progress: Progress | None = None,
    others: Sequence[Router] = (),
) -> Litestar:
    """The routes of all protocols, and ``others`` that are not for users."""
    routes = Router(
        "/",
        route_handlers=[
            *(upload_form, uploads_router(), open_uploads_router(), direct_router()),
            *(usage_router(), live_room_router()),
        ],
        dependencies={
            "form_uploads": Provide(lambda: form_uploads, sync_to_thread=False),
            "direct_uploads": Provide(lambda: direct_uploads, sync_to_thread=False),
            "open_uploads_handler": Provide(lambda: open_uploads, sync_to_thread=False),
            "resumable": Provide(lambda: resumable, sync_to_thread=False),
            "usage": Provide(lambda: usage, sync_to_thread=False),
        },
        middleware=[LingeringMiddleware],
        exception_handlers=dict.fromkeys(_CONNECTION_ERRORS, _on_connection_error),
    )
    return create_app(
        "ingest",
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
    return on_cinelog_error(request, LogUnavailable("Uploads cannot be recorded right now."))
