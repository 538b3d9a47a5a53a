"""Auth as a whole, on real parts, with a clock that tests can move and cheap hashes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from http.cookies import Morsel, SimpleCookie
from typing import Any

import asyncpg
import httpx
import msgspec

from services.auth.main import compose
from services.auth.passwords import Passwords
from services.auth.settings import AuthSettings
from shared.host.host import open_host
from shared.http.server import lifespan
from shared.settings import Address, Key, Secret
from tests.support.databases import Database
from tests.support.processes import working

PASSWORD = "corduroy-9-lamp"
Answer = httpx.Response


class Clock:
    """The present, and as much later as a test says."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class NoCookies(CookieJar):
    """Keeps no cookie: the requests of a stage come from many people. Tests send what they mean."""

    def __init__(self) -> None:
        super().__init__(DefaultCookiePolicy(allowed_domains=[]))


class Stage:
    """One running auth and what tests ask of it."""

    def __init__(self, app: Any, clock: Clock, config: AuthSettings, admin_url: str) -> None:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(
            transport=transport, base_url="http://auth.test", cookies=NoCookies()
        )
        self.clock = clock
        self.config = config
        self.admin_url = admin_url

    async def call(
        self, method: str, path: str, body: Any = None, token: str | None = None, **headers: str
    ) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        content = None
        if body is not None:
            content, sent["content-type"] = msgspec.json.encode(body), "application/json"
        path = path if path.startswith("/.") else f"/api/v1{path}"
        return await self.http.request(method, path, content=content, headers=sent)

    async def register(self, name: str = "alice", **headers: str) -> dict[str, Any]:
        body = {"username": name, "password": PASSWORD, "email": f"{name}@example.org"}
        answer = await self.call("POST", "/auth/register", body, **headers)
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]

    async def login(
        self,
        name: str = "alice",
        password: str = PASSWORD,
        client: str = "192.0.2.1",
        **headers: str,
    ) -> Answer:
        body = {"username": name, "password": password}
        return await self.call("POST", "/auth/login", body, x_cinelog_client=client, **headers)

    async def refresh(self, token: str) -> Answer:
        return await self.call("POST", "/auth/refresh", {"refresh_token": token})

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        connection = await asyncpg.connect(self.admin_url)
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    async def events(self, user_id: str) -> list[tuple[str, dict[str, Any]]]:
        rows = await self.rows(
            "select type, data::text from log.events where stream_id = $1 order by version",
            f"user-{user_id}",
        )
        return [(row[0], msgspec.json.decode(row[1])) for row in rows]

    async def event_types(self, user_id: str) -> list[str]:
        return [kind for kind, _ in await self.events(user_id)]


def cookies(answer: Answer) -> dict[str, Morsel[str]]:
    """The cookies that an answer sets, by name."""
    found = SimpleCookie()
    for header in answer.headers.get_list("set-cookie"):
        found.load(header)
    return dict(found)


def error(answer: Answer, status: int) -> dict[str, Any]:
    """The error of an answer that must have ``status``."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["success"] is False
    assert body["error"]["code"] == status
    return body["error"]


def data(answer: Answer, status: int = 200) -> Any:
    """The data of an answer that must have ``status``."""
    assert answer.status_code == status, answer.text
    return answer.json()["data"]


def settings(database: Database, redis_url: str) -> AuthSettings:
    return AuthSettings(
        cinelog_mode="local",
        bind=Address("127.0.0.1", 1),
        database_url=Secret(database.url("auth")),
        redis_url=Secret(redis_url),
        signing_key_secret=Key("a secret that nobody will ever guess"),
        jwt_issuer="https://auth.test",
        jwt_audience="cinelog",
        login_refill_seconds=600,
    )


@asynccontextmanager
async def stage(
    config: AuthSettings, admin_url: str, passwords: Passwords | None = None
) -> AsyncIterator[Stage]:
    clock = Clock()
    cheap = passwords or Passwords(memory_kib=64, iterations=1)
    async with open_host() as host:
        process = await compose(config, host, clock=clock, passwords=cheap)
        app = process.servers[0].app
        async with lifespan(app), working(process):
            running = Stage(app, clock, config, admin_url)
            async with running.http:
                yield running
