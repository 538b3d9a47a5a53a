"""Addresses of objects are signed with the settings' keys, or with those of the surroundings."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from services.gateway.upstream.signed_urls import SignedUrls
from services.gateway.upstream.signing_keys import SigningKeys, signing_keys
from shared.settings import SettingsError


class Agent:
    """As a cloud's agent beside a pod: keys for a while, and others when it is asked again."""

    def __init__(self) -> None:
        self.given = 0
        self.lasting = timedelta(hours=1)

    def keys(self) -> dict[str, str]:
        self.given += 1
        end = datetime.now(UTC) + self.lasting
        return {
            "AccessKeyId": f"KEY{self.given}",
            "SecretAccessKey": f"secret-{self.given}",
            "Token": f"token-{self.given}",
            "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Surroundings without any keys."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def agent(bare: pytest.MonkeyPatch) -> Iterator[Agent]:
    found = Agent()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(found.keys()).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/keys"
        bare.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)
        yield found
        server.shutdown()


def urls(keys: SigningKeys) -> SignedUrls:
    return SignedUrls(
        endpoint="http://s3.test", region="eu-1", keys=keys, bucket="media", clock=lambda: 0.0
    )


def signed(address: bytes) -> tuple[str, str | None]:
    """The access key and the token that an address was signed with."""
    query = parse_qs(urlsplit(address.decode()).query)
    return query["X-Amz-Credential"][0].split("/")[0], query.get("X-Amz-Security-Token", [None])[0]


async def test_the_keys_of_the_settings_win(agent: Agent) -> None:
    keys = await signing_keys("MINE", "my-secret")
    address = urls(keys).target("GET", "a.m4s")
    await keys.renew()
    assert signed(address) == ("MINE", None)
    assert (
        urls(keys).target("GET", "a.m4s").split(b"X-Amz-Date")[0] == address.split(b"X-Amz-Date")[0]
    )
    assert agent.given == 0


async def test_without_any_those_of_the_surroundings_are_used(agent: Agent) -> None:
    keys = await signing_keys(None, None)
    assert signed(urls(keys).target("GET", "a.m4s")) == ("KEY1", "token-1")


async def test_addresses_follow_keys_that_end(agent: Agent) -> None:
    agent.lasting = timedelta(minutes=14)
    keys = await signing_keys(None, None)
    signer = urls(keys)
    before, other = signer.target("GET", "a.m4s"), signer.target("GET", "b.m4s")
    assert signer.target("GET", "a.m4s") is before
    agent.lasting = timedelta(hours=1)
    await keys.renew()
    after = signer.target("GET", "a.m4s")
    assert signed(after) != signed(before)
    assert signed(signer.target("GET", "b.m4s")) == signed(after) != signed(other)


async def test_keys_that_last_are_not_asked_for_again(agent: Agent) -> None:
    keys = await signing_keys(None, None)
    signer = urls(keys)
    before = signer.target("GET", "a.m4s")
    await keys.renew()
    assert signer.target("GET", "a.m4s") is before
    assert agent.given == 1


async def test_no_keys_anywhere_stop_the_start(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="S3_ACCESS_KEY is not set"):
        await signing_keys(None, None)
