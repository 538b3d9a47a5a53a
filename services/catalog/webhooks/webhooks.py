"""Rules of webhooks: ids, secrets, signatures, retries, URLs. Pure.

A webhook sends a user's feed to a URL. Messages are signed as the Standard Webhooks specification
says: HMAC-SHA256 over ``id.timestamp.body``. No secret is stored: it derives from the service's
key, the webhook's id and a generation that rotation increments. For a day after a rotation,
messages have both signatures.
"""

import base64
import hashlib
import hmac
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

import msgspec

from shared.errors import Conflict, Detail, InvalidInput, NotFound
from shared.public_addresses import Reach, is_address

MAX_WEBHOOKS: Final = 10
MAX_URL: Final = 2000
GIVE_UP_AFTER: Final = timedelta(days=3)
OVERLAP: Final = timedelta(days=1)

_PURPOSE: Final = b"cinelog webhook v1"
_IDS: Final = uuid.uuid5(uuid.NAMESPACE_URL, "cinelog/webhooks")
_DELAYS: Final = (5, 30, 120, 600, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600)
LONGEST_DELAY: Final = timedelta(seconds=max(_DELAYS))


class WebhookNotFound(NotFound):
    code = "webhook_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such webhook.")


class TooManyWebhooks(InvalidInput):
    code = "too_many_webhooks"

    def __init__(self) -> None:
        super().__init__(f"You can have at most {MAX_WEBHOOKS} webhooks.")


class KeyReused(Conflict):
    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for another webhook.")


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``webhooks``. Events up to ``position`` are delivered or not of its types.

    ``pending_at``: when its user's feed last grew; None where nothing is left to deliver.
    """

    id: str
    user_id: str
    url: str
    types: list[str]
    position: int
    active: bool
    generation: int
    rotated_at: datetime | None
    failures: int
    failing_since: datetime | None
    next_attempt_at: datetime
    last_error: str | None
    delivered_at: datetime | None
    created_at: datetime
    pending_at: datetime | None

    def wants(self, event_type: str) -> bool:
        """Whether events of this type are sent."""
        return not self.types or event_type in self.types


def id_for(user_id: str, idempotency_key: str) -> str:
    """A webhook's id, derived from its user and the Idempotency-Key of the request."""
    return str(uuid.uuid5(_IDS, f"{user_id} {idempotency_key}"))


def secret(key: str, webhook_id: str, generation: int) -> str:
    """The secret that verifies signatures: ``whsec_`` and 32 bytes in base64."""
    message = b"\0".join((_PURPOSE, webhook_id.encode(), str(generation).encode()))
    return "whsec_" + base64.b64encode(hmac.digest(key.encode(), message, "sha256")).decode()


def signed_headers(
    key: str, webhook: Webhook, message_id: str, body: bytes, now: datetime
) -> Mapping[str, str]:
    """A message's headers: its id, the time and its signatures."""
    generations = [webhook.generation]
    if webhook.rotated_at is not None and now < webhook.rotated_at + OVERLAP:
        generations.append(webhook.generation - 1)
    timestamp = str(int(now.timestamp()))
    content = b".".join((message_id.encode(), timestamp.encode(), body))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(
            _signature(secret(key, webhook.id, generation), content) for generation in generations
        ),
    }


def failed(webhook: Webhook, error: str, now: datetime, *, gone: bool = False) -> Webhook:
    """The webhook after a failed delivery: with a later attempt, inactive after three days."""
    since = webhook.failing_since or now
    delay = _DELAYS[min(webhook.failures, len(_DELAYS) - 1)]
    return msgspec.structs.replace(
        webhook,
        active=webhook.active and not gone and now - since < GIVE_UP_AFTER,
        failures=webhook.failures + 1,
        failing_since=since,
        next_attempt_at=now + timedelta(seconds=delay),
        last_error=error[:500],
    )


def delivered(webhook: Webhook, position: int, now: datetime) -> Webhook:
    """The webhook after a delivery that succeeded."""
    return msgspec.structs.replace(
        webhook,
        position=position,
        failures=0,
        failing_since=None,
        next_attempt_at=now,
        last_error=None,
        delivered_at=now,
    )


def passed_over(webhook: Webhook, position: int) -> Webhook:
    """The webhook after an event that it does not want."""
    return msgspec.structs.replace(webhook, position=position)


def checked_url(url: str, reach: Reach) -> str:
    """``url``, if it is https, without a private address, a login and a fragment.

    The addresses of a host's name are checked when a message is sent. Where an operator names
    networks that may be called, http is accepted, too. Raises InvalidInput.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise _refused("is not an address") from None
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise _refused(f"must be plain text of at most {MAX_URL} characters")
    encrypted = parts.scheme == "https"
    if not encrypted and not (reach.networks and parts.scheme == "http"):
        raise _refused("must begin with https://")
    if not host or parts.username is not None or parts.password is not None or parts.fragment:
        raise _refused("must have a host, and neither a login nor a fragment")
    if not _may_be_called(host, reach, encrypted=encrypted):
        raise _refused("must be reachable from the internet")
    return url


def _may_be_called(host: str, reach: Reach, *, encrypted: bool) -> bool:
    """Whether ``host`` is an allowed address or a name with a dot; short names are local."""
    try:
        return reach.allows(host, encrypted=encrypted)
    except ValueError:
        return not is_address(host) and ("." in host.strip(".") or bool(reach.networks))


def _signature(secret_: str, content: bytes) -> str:
    key = base64.b64decode(secret_.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def _refused(what: str) -> InvalidInput:
    return InvalidInput(f"The url {what}.", [Detail("url", what)])
