"""Webhooks are no way into networks that are not the internet (OWASP ASVS 5, V1.3 and V5: SSRF)."""

import socket
from typing import Any

import httpx
import pytest

from services.catalog.settings import ProjectorSettings
from services.catalog.webhooks.webhook_sender import NotDelivered, WebhookSender
from services.catalog.webhooks.webhooks import checked_url
from shared.errors import InvalidInput
from shared.public_addresses import Reach, is_public
from shared.settings import SettingsError, load

INSIDE = [
    # This network, private, shared, loopback, link-local with the clouds' metadata.
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1"),
    *("100.64.0.1", "100.127.255.255", "127.0.0.1", "127.8.9.1", "169.254.169.254"),
    # Protocol assignments, documentation, 6to4 relays, benchmarks, multicast, reserved, broadcast.
    *("192.0.0.1", "192.0.0.171", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255"),
    *("198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
    "255.255.255.255",
    *("::", "::1", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "feff::1", "fc00::1"),
    *("fd12:3456::1", "ff02::1", "ff0e::1", "100::1", "2001:db8::1", "3fff::1", "5f00::1"),
    # Addresses that embed an IPv4 address: mapped, compatible, translated, NAT64, 6to4, Teredo.
    *("::ffff:127.0.0.1", "::ffff:a00:1", "::ffff:169.254.169.254", "::127.0.0.1", "::a00:1"),
    *("::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::a00:1"),
    *("64:ff9b:1:ffff::1", "2002:7f00:1::", "2002:a00:1::1", "2002:808:808::1"),
    *("2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:20::1"),
]
OUTSIDE = [
    *("1.1.1.1", "8.8.8.8", "93.184.216.34", "172.32.0.1", "100.128.0.1", "192.0.1.1"),
    *("198.20.0.1", "223.255.255.255", "::ffff:8.8.8.8"),
    *("2606:2800:220:1:248:1893:25c8:1946", "2a00:1450:4001::1", "2001:4860:4860::8888"),
]


@pytest.mark.parametrize("address", INSIDE)
def test_special_addresses_are_refused(address: str) -> None:
    assert not is_public(address)
    host = f"[{address.partition('%')[0]}]" if ":" in address else address
    with pytest.raises(InvalidInput):
        checked_url(f"https://{host}/hook", Reach())


@pytest.mark.parametrize("address", OUTSIDE)
def test_addresses_of_the_internet_are_not(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        *("127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "017700000001"),
        *("0177.0.0.1", "10.1", "localhost", "localhost.", "db", "127.0.0.1."),
    ],
)
def test_other_ways_to_write_an_address_are_refused(host: str) -> None:
    with pytest.raises(InvalidInput):
        checked_url(f"https://{host}/hook", Reach())


def test_a_network_that_is_not_named_stays_closed() -> None:
    reach = Reach.parse("10.9.0.0/16,fd00::/8")
    assert reach.allows("10.9.1.1", encrypted=False)
    assert reach.allows("::ffff:10.9.1.1", encrypted=True)
    assert not reach.allows("10.8.1.1", encrypted=True)
    # Over the internet, nothing is sent in the clear.
    assert not reach.allows("8.8.8.8", encrypted=False)


def test_the_setting_names_networks() -> None:
    env = {
        "DATABASE_URL": "postgresql://catalog:long-enough-secret@db/x",
        "AMQP_URL": "amqp://cinelog:long-enough-secret@mq/",
        "MEDIA_GRANT_SECRET": "0123456789abcdef0123456789abcdef",
        "METRICS_BIND": "127.0.0.1:1",
    }
    assert load(ProjectorSettings, env).webhook_networks is None
    named = load(ProjectorSettings, {**env, "WEBHOOK_NETWORKS": "127.0.0.0/8, ::1/128"})
    assert named.webhook_networks is not None
    assert named.webhook_networks.allows("::1", encrypted=False)
    with pytest.raises(SettingsError, match="WEBHOOK_NETWORKS"):
        load(ProjectorSettings, {**env, "WEBHOOK_NETWORKS": "everywhere"})


class Called(httpx.AsyncBaseTransport):
    """Records which addresses are called, and answers as told."""

    def __init__(self, answer: httpx.Response) -> None:
        self.hosts: list[str] = []
        self._answer = answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.hosts.append(request.url.host)
        return self._answer


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let names lead to one answer after the other; returns the names that are asked."""
    asked: list[str] = []
    left = list(answers)

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


async def test_what_was_checked_is_what_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that changes its address between the check and the call (DNS rebinding)."""
    asked = resolving(monkeypatch, ["8.8.8.8"], ["127.0.0.1"])
    called = Called(httpx.Response(200))
    async with httpx.AsyncClient(transport=called) as client:
        sender = WebhookSender(client, Reach())
        await sender.send("https://rebinding.example/", {}, b"{}")
        with pytest.raises(NotDelivered):
            await sender.send("https://rebinding.example/", {}, b"{}")
    assert called.hosts == ["8.8.8.8"]
    assert asked == ["rebinding.example", "rebinding.example"]


@pytest.mark.parametrize("inside", ["127.0.0.1", "fec0::1", "192.0.0.1", "64:ff9b::a00:1"])
async def test_one_inner_address_among_public_ones_refuses_a_name(
    monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    resolving(monkeypatch, ["8.8.8.8", inside])
    called = Called(httpx.Response(200))
    async with httpx.AsyncClient(transport=called) as client:
        with pytest.raises(NotDelivered):
            await WebhookSender(client, Reach()).send("https://mixed.example/", {}, b"{}")
    assert called.hosts == []


async def test_a_reason_does_not_tell_which_inner_names_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        if host == "unknown.internal":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.1.2.3", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    reasons: set[str] = set()
    async with httpx.AsyncClient(transport=Called(httpx.Response(200))) as client:
        sender = WebhookSender(client, Reach())
        for host in ("postgres.internal", "unknown.internal"):
            with pytest.raises(NotDelivered) as refused:
                await sender.send(f"https://{host}/", {}, b"{}")
            reasons.add(str(refused.value))
    assert len(reasons) == 1
    assert "10.1" not in reasons.pop()


class Unconnected(httpx.AsyncBaseTransport):
    """Fails as a connection to an address does."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise self._error


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("[Errno 113] Connect call failed ('8.8.8.8', 443)"),
        httpx.ConnectTimeout("8.8.8.8"),
        OSError("cannot assign 192.168.3.4"),
    ],
)
async def test_a_reason_names_no_address_and_no_error_of_ours(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    resolving(monkeypatch, ["8.8.8.8"])
    async with httpx.AsyncClient(transport=Unconnected(error)) as client:
        with pytest.raises(NotDelivered) as refused:
            await WebhookSender(client, Reach()).send("https://hook.example/", {}, b"{}")
    assert str(refused.value) in {"no answer in time", "no answer that can be read"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:8888/", "https://other.example/", "/elsewhere", "http:x"]
)
async def test_redirects_are_not_followed(
    monkeypatch: pytest.MonkeyPatch, status: int, location: str
) -> None:
    asked = resolving(monkeypatch, ["8.8.8.8"])
    called = Called(httpx.Response(status, headers={"location": location}))
    async with httpx.AsyncClient(transport=called) as client:
        with pytest.raises(NotDelivered):
            await WebhookSender(client, Reach()).send("https://hook.example/", {}, b"{}")
    assert called.hosts == ["8.8.8.8"]
    assert asked == ["hook.example"]
