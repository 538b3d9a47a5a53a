"""Routes for operators, below ``/internal``, which the gateway never forwards.

The bearer token is the operator's secret, which is shared by the operator and the services. A
service without the secret has no such routes.
"""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Final

from litestar import Router, post
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.params import FromQuery

from shared.errors import Unauthenticated
from shared.http.access_tokens import bearer_token
from shared.http.envelope import Success
from shared.reconciliation import Findings, Part
from shared.settings import Key

PREFIX: Final = "/internal/operator"

Reconcile = Callable[[bool, str], Awaitable[Part]]
"""A part of a round, which begins after a place; with True nothing is changed.

Safe to repeat and to run concurrently.
"""


def operator_routes(
    service: str,
    secret: Key,
    reconcile: Reconcile,
    others: tuple[HTTPRouteHandler, ...] = (),
) -> Router:
    """``POST …/reconcile`` and a service's own ``others``, guarded by the secret."""

    @post("/reconcile", status_code=200, include_in_schema=False)
    async def reconcile_now(
        dry_run: FromQuery[bool] = False, after: FromQuery[str] = ""
    ) -> Success[Findings]:
        part = await reconcile(dry_run, after)
        return Success(
            data=Findings(
                service=service, dry_run=dry_run, findings=part.findings, place=part.place
            )
        )

    return guarded(secret, reconcile_now, *others)


def guarded(secret: Key, *handlers: HTTPRouteHandler) -> Router:
    """Routes that only those may ask who know the secret."""

    def knows_the_secret(
        connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler
    ) -> None:
        shown = bearer_token(connection.headers.get("authorization")) or ""
        if not hmac.compare_digest(shown.encode(), secret.encode()):
            raise Unauthenticated("This is for operators.")

    return Router(PREFIX, route_handlers=handlers, guards=[knows_the_secret])
