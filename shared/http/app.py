"""Creates a service's HTTP application with the defaults of all services."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import Provide
from litestar.enums import RequestEncodingType
from litestar.handlers import BaseRouteHandler
from litestar.params import BodyKwarg
from litestar.types import ControllerRouterHandler
from prometheus_client import CollectorRegistry

from shared.errors import UnsupportedMedia
from shared.http.access_middleware import AccessMiddleware
from shared.http.allow import AllowMiddleware
from shared.http.bodies import OneReading
from shared.http.heads import HeadMiddleware
from shared.http.health import Check, health_routes
from shared.http.identity import Verifier, optional_user, require_user
from shared.http.metrics import TracedHttpMetrics, create_registry, metrics_route
from shared.http.openapi import openapi_config
from shared.http.problems import EXCEPTION_HANDLERS
from shared.http.sessions import Sessions
from shared.loops.progress import Progress
from shared.version import VERSION

DEFAULT_BODY_LIMIT: Final = 1024 * 1024

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def create_app(
    service: str,
    route_handlers: Sequence[ControllerRouterHandler],
    *,
    checks: Mapping[str, Check] | None = None,
    lifespan: Sequence[Lifespan | AbstractAsyncContextManager[None]] = (),
    dependencies: Mapping[str, Provide] | None = None,
    verifier: Verifier | None = None,
    sessions: Sessions | None = None,
    registry: CollectorRegistry | None = None,
    state: Mapping[str, Any] | None = None,
    max_body: int = DEFAULT_BODY_LIMIT,
    progress: Progress | None = None,
) -> Litestar:
    """An application with ``route_handlers``, /health, /ready, /metrics and an OpenAPI document.

    ``lifespan`` contexts are entered in order when the server starts and left in reverse.
    With a ``verifier``, handlers may ask for the dependencies ``principal`` (401 without a valid
    token) and ``optional_principal``; with ``sessions``, a token ends in the moment in which its
    session does, and not when the published list of ended sessions says so. ``max_body`` is in
    bytes; a route may set its own. A loop of ``progress`` that is stuck makes /health answer 503.
    """
    registry = registry or create_registry()
    contexts: list[Any] = list(lifespan)
    provided: dict[str, Provide] = dict(dependencies or {})
    if verifier is not None:
        provided.setdefault("principal", Provide(require_user))
        provided.setdefault("optional_principal", Provide(optional_user))
        contexts.insert(0, verifier.running())
    app = Litestar(
        route_handlers=[
            *route_handlers,
            *health_routes(checks or {}, progress=progress),
            metrics_route(registry),
        ],
        dependencies=provided,
        exception_handlers=EXCEPTION_HANDLERS,
        guards=[_accepted_content_type],
        lifespan=contexts,
        logging_config=None,
        openapi_config=openapi_config(service, VERSION),
        request_class=OneReading,
        request_max_body_size=max_body,
        state=State({**(state or {}), "verifier": verifier, "sessions": sessions}),
    )
    app.asgi_handler = AccessMiddleware(
        HeadMiddleware(AllowMiddleware(app.asgi_handler)), TracedHttpMetrics(registry, service)
    )
    return app


def _accepted_content_type(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """A guard that refuses a body of another content type than the handler reads (415).

    A body without a content type is read as the handler expects.
    """
    field = handler.parsed_data_field
    sent = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    if field is None or not sent:
        return
    body = field.kwarg_definition
    expected = body.media_type if isinstance(body, BodyKwarg) else RequestEncodingType.JSON
    accepted = RequestEncodingType(expected).value
    if sent != accepted:
        raise UnsupportedMedia(f"Send this as {accepted}.")
