"""Rules of webhooks: signatures, retries and allowed URLs."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from services.catalog.webhooks.webhooks import (
    Webhook,
    checked_url,
    delivered,
    failed,
    secret,
    signed_headers,
)
from shared.errors import InvalidInput
from shared.public_addresses import Reach, is_public

KEY = "0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WEBHOOK = Webhook(
    id="w",
    user_id="u",
    url="https://example.com/hook",
    types=[],
    position=7,
    active=True,
    generation=2,
    rotated_at=None,
    failures=0,
    failing_since=None,
    next_attempt_at=NOW,
    last_error=None,
    delivered_at=None,
    created_at=NOW,
    pending_at=NOW,
)


def signature(generation: int, body: bytes) -> str:
    """The signature as a receiver computes it (Standard Webhooks)."""
    key = base64.b64decode(secret(KEY, "w", generation).removeprefix("whsec_"))
    signed = b"m." + str(int(NOW.timestamp())).encode() + b"." + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def test_messages_are_signed_as_standard_webhooks_says() -> None:
    headers = signed_headers(KEY, WEBHOOK, "m", b"{}", NOW)

    assert headers["webhook-id"] == "m"
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert headers["webhook-signature"] == signature(2, b"{}")


def test_for_a_day_after_a_rotation_both_secrets_do() -> None:
    rotated = msgspec.structs.replace(WEBHOOK, rotated_at=NOW - timedelta(hours=23))
    both = signed_headers(KEY, rotated, "m", b"{}", NOW)["webhook-signature"]
    assert both == f"{signature(2, b'{}')} {signature(1, b'{}')}"

    long_ago = msgspec.structs.replace(WEBHOOK, rotated_at=NOW - timedelta(hours=25))
    assert signed_headers(KEY, long_ago, "m", b"{}", NOW)["webhook-signature"] == signature(
        2, b"{}"
    )


def test_secrets_differ_by_webhook_and_generation() -> None:
    assert len({secret(KEY, w, g) for w in ("a", "b") for g in (1, 2)}) == 4
    assert len(base64.b64decode(secret(KEY, "a", 1).removeprefix("whsec_"))) == 32


def test_a_failure_is_tried_again_later_and_later_and_then_no_more() -> None:
    webhook, now, tries = WEBHOOK, NOW, 0
    waits: list[float] = []
    while webhook.active:
        webhook = failed(webhook, "answered 500", now)
        waits.append((webhook.next_attempt_at - now).total_seconds())
        now = webhook.next_attempt_at
        tries += 1
        assert tries < 100
    assert waits[:3] == [5, 30, 120]
    assert waits == sorted(waits)
    assert timedelta(days=3) <= now - NOW < timedelta(days=4)
    assert webhook.position == 7


def test_who_is_gone_is_not_asked_again() -> None:
    assert not failed(WEBHOOK, "answered 410", NOW, gone=True).active


def test_success_forgets_what_went_wrong() -> None:
    after = delivered(failed(WEBHOOK, "x", NOW), 8, NOW)
    assert (after.position, after.failures, after.failing_since) == (8, 0, None)
    assert (after.last_error, after.delivered_at) == (None, NOW)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook?x=1",
        "https://example.com:8443/",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1:248:1893:25c8:1946]/",
    ],
)
def test_addresses_on_the_internet_may_be_called(url: str) -> None:
    assert checked_url(url, Reach()) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://",
        "https:///x",
        "https://user:password@example.com/",
        "https://example.com/#x",
        "https://localhost/",
        "https://db/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[fd00::1]/",
        "https://0.0.0.0/",
        "https://exa mple.com/",
        "https://example.com:99999/",
        "https://example.com/\x00",
        "https://münchen.de/",
        "https://example.com/" + "x" * 2000,
        "",
        "nonsense",
    ],
)
def test_other_addresses_may_not(url: str) -> None:
    with pytest.raises(InvalidInput):
        checked_url(url, Reach())


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("100.64.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_networks_that_an_operator_names_may_be_called() -> None:
    own = Reach.parse("127.0.0.0/8, fd00::/8")
    for url in ("http://127.0.0.1:9000/hook", "http://[fd00::1]/", "https://localhost/"):
        assert checked_url(url, own) == url
    for url in ("file:///etc/passwd", "http://10.0.0.1/", "http://93.184.216.34/"):
        with pytest.raises(InvalidInput):
            checked_url(url, own)
