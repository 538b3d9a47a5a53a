"""Routes of the caller's webhooks."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from services.catalog.api_models import same_fields
from services.catalog.http.access import checked_id
from services.catalog.http.dependencies import Caller, Catalog, TheCatalog
from services.catalog.http.lists import decode_number
from services.catalog.webhooks.webhooks import (
    KeyReused,
    Webhook,
    WebhookNotFound,
    checked_url,
    id_for,
    secret,
)
from shared.contracts import EVENT_TYPES, new_id
from shared.errors import Detail, InvalidInput
from shared.http.envelope import Message, Success
from shared.http.idempotency import IdempotencyKey
from shared.http.identity import Principal
from shared.http.openapi import BEARER
from shared.http.paging import encode_cursor


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``types``: the event types to send, all if empty. ``after``: the feed's cursor to start
    at; by default only new events are sent."""

    url: str
    types: list[str] = []
    after: str | None = None


class WebhookChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields that are left out do not change. ``after`` sends again from that cursor."""

    url: str | msgspec.UnsetType = msgspec.UNSET
    types: list[str] | msgspec.UnsetType = msgspec.UNSET
    active: bool | msgspec.UnsetType = msgspec.UNSET
    after: str | msgspec.UnsetType = msgspec.UNSET


class WebhookView(msgspec.Struct, frozen=True, kw_only=True):
    """``secret`` is present only in the answer that creates it."""

    id: str
    url: str
    types: list[str]
    active: bool
    cursor: str
    failures: int
    last_error: str | None
    next_attempt_at: datetime
    delivered_at: datetime | None
    created_at: datetime
    secret: str | msgspec.UnsetType = msgspec.UNSET


@post("/webhooks", tags=["events"], summary="Add a webhook", security=BEARER)
async def add(
    principal: Caller,
    catalog: TheCatalog,
    data: JSONBody[NewWebhook],
    idempotency_key: IdempotencyKey = None,
) -> Response[Success[WebhookView]]:
    """Sends the caller's events in order, signed (Standard Webhooks); retries for three days."""
    now = datetime.now(UTC)
    webhook = Webhook(
        id=id_for(principal.user_id, idempotency_key) if idempotency_key else new_id(),
        user_id=principal.user_id,
        url=checked_url(data.url, catalog.reach),
        types=_checked_types(data.types),
        position=await _start_position(data.after, catalog),
        active=True,
        generation=1,
        rotated_at=None,
        failures=0,
        failing_since=None,
        next_attempt_at=now,
        last_error=None,
        delivered_at=None,
        created_at=now,
        pending_at=now,
    )
    stored = await catalog.webhooks.add(webhook)
    if (stored.url, stored.types) != (webhook.url, webhook.types):
        raise KeyReused
    view = _to_view(stored, secret(catalog.links.secret, stored.id, stored.generation))
    location = f"/api/v1/webhooks/{webhook.id}"
    return Response(Success(data=view), headers={"location": location})


@get("/webhooks", tags=["events"], summary="My webhooks", security=BEARER)
async def mine(principal: Caller, catalog: TheCatalog) -> Success[list[WebhookView]]:
    found = await catalog.webhooks.of_user(principal.user_id)
    return Success(data=[_to_view(webhook) for webhook in found])


@get("/webhooks/{webhook_id:str}", tags=["events"], summary="A webhook", security=BEARER)
async def one(
    principal: Caller, catalog: TheCatalog, webhook_id: FromPath[str]
) -> Success[WebhookView]:
    return Success(data=_to_view(await _find_own(catalog, principal, webhook_id)))


@patch("/webhooks/{webhook_id:str}", tags=["events"], summary="Change a webhook", security=BEARER)
async def change(
    principal: Caller,
    catalog: TheCatalog,
    webhook_id: FromPath[str],
    data: JSONBody[WebhookChange],
) -> Success[WebhookView]:
    """Also sends events again, and activates a webhook that was given up."""
    webhook = await _find_own(catalog, principal, webhook_id)
    values: dict[str, object] = {}
    if data.url is not msgspec.UNSET:
        values["url"] = checked_url(data.url, catalog.reach)
    if data.types is not msgspec.UNSET:
        values["types"] = _checked_types(data.types)
    if data.after is not msgspec.UNSET:
        values["position"] = decode_number(data.after)
    if data.active is not msgspec.UNSET:
        values["active"] = data.active
    if values:
        now = datetime.now(UTC)
        values |= {"failures": 0, "failing_since": None, "next_attempt_at": now, "pending_at": now}
        await catalog.webhooks.change(webhook.id, **values)
    return Success(data=_to_view(await _find_own(catalog, principal, webhook_id)))


@post(
    "/webhooks/{webhook_id:str}/secret",
    status_code=200,
    tags=["events"],
    summary="Rotate the secret",
    security=BEARER,
)
async def rotate(
    principal: Caller, catalog: TheCatalog, webhook_id: FromPath[str]
) -> Success[WebhookView]:
    """For a day, messages have the signatures of both the old and the new secret."""
    webhook = await _find_own(catalog, principal, webhook_id)
    generation = webhook.generation + 1
    await catalog.webhooks.change(webhook.id, generation=generation, rotated_at=datetime.now(UTC))
    rotated = await _find_own(catalog, principal, webhook_id)
    return Success(data=_to_view(rotated, secret(catalog.links.secret, webhook.id, generation)))


@delete(
    "/webhooks/{webhook_id:str}",
    status_code=200,
    tags=["events"],
    summary="Remove a webhook",
    security=BEARER,
)
async def remove(
    principal: Caller, catalog: TheCatalog, webhook_id: FromPath[str]
) -> Success[Message]:
    webhook = await _find_own(catalog, principal, webhook_id)
    await catalog.webhooks.remove(webhook.id)
    return Success(data=Message(message="The webhook was removed."))


HANDLERS: Final[list[HTTPRouteHandler]] = [add, mine, one, change, rotate, remove]


async def _start_position(cursor: str | None, catalog: Catalog) -> int:
    """The position of a cursor; without one, of the newest event."""
    return await catalog.checkpoint.position() if cursor is None else decode_number(cursor)


async def _find_own(catalog: Catalog, principal: Principal, webhook_id: str) -> Webhook:
    id_ = checked_id(webhook_id, WebhookNotFound)
    webhook = await catalog.webhooks.get(principal.user_id, id_)
    if webhook is None:
        raise WebhookNotFound
    return webhook


def _checked_types(types: list[str]) -> list[str]:
    if any(name not in EVENT_TYPES for name in types):
        message = "Some of these event types do not exist."
        raise InvalidInput(message, [Detail("types", message)])
    return sorted(set(types))


def _to_view(webhook: Webhook, new_secret: str | None = None) -> WebhookView:
    computed: dict[str, Any] = {
        "cursor": encode_cursor(webhook.position),
        "secret": msgspec.UNSET if new_secret is None else new_secret,
    }
    return WebhookView(**same_fields(WebhookView, msgspec.structs.asdict(webhook)) | computed)
