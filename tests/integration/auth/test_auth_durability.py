"""Tables and log agree whatever dies; keys rotate without logging anyone out."""

import asyncio
import contextlib
import os
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

import jwt
import pytest
from msgspec.structs import replace

from services.auth import jwks
from services.auth.event_outbox import EventOutbox
from services.auth.ports import PendingEvents
from services.auth.settings import AuthSettings
from services.auth.signing_keys import LEAD, MAX_AGE, SigningKeys, WrongKeySecret
from services.auth.tokens import ACCESS_LIFETIME
from shared.database.connect import create_engine
from shared.settings import Secret
from tests.support.auth_stage import Clock, Stage, data, error, stage
from tests.support.databases import Database
from tests.support.entry_points import refused
from tests.support.forked import run_service
from tests.support.wait import eventually


class Cut:
    """Makes the log unreachable, as if the process had died before the append."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._append = EventOutbox._append
        self._patch = monkeypatch

    def __enter__(self) -> None:
        async def dead(_self: EventOutbox, _pending: PendingEvents) -> None:
            raise ConnectionError("the log is gone")

        self._patch.setattr(EventOutbox, "_append", dead)

    def __exit__(self, *_: object) -> None:
        self._patch.setattr(EventOutbox, "_append", self._append)


async def test_what_was_committed_reaches_the_log_at_the_next_start(
    config: AuthSettings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"username": "alice", "password": "corduroy-9-lamp", "email": "alice@example.org"}
    with Cut(monkeypatch):
        async with stage(config, database.admin_url) as auth:
            error(await auth.call("POST", "/auth/register", body), 503)
            assert await auth.rows("select 1 from log.events") == []
            user_id = (await auth.rows("select user_id from auth.accounts"))[0][0]
    async with stage(config, database.admin_url) as auth:

        async def told() -> bool:
            return await auth.event_types(user_id) == ["UserRegistered"]

        await eventually(told)
        await eventually(lambda: settled(auth))
        data(await auth.login())


async def settled(auth: Stage) -> bool:
    return not await auth.rows("select 1 from auth.pending_events")


async def test_the_next_command_finishes_the_one_before(
    auth: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await auth.register("alice")
    token = alice["access_token"]
    with Cut(monkeypatch):
        changed = await auth.call("PATCH", "/users/email", {"email": "x@example.org"}, token=token)
        error(changed, 503)
    data(await auth.call("POST", "/auth/logout", token=token))
    assert await auth.event_types(alice["user"]["id"]) == [
        "UserRegistered",
        "EmailChanged",
        "SessionRevoked",
    ]
    assert await settled(auth)


async def test_events_that_are_in_the_log_are_not_appended_again(
    auth: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await auth.register("alice")
    remove = "services.auth.accounts_repository.AccountsRepository.remove_pending"

    async def dead(*_: object) -> None:
        raise ConnectionError("died after the append")

    with monkeypatch.context() as patched:
        patched.setattr(remove, dead)
        body = {"email": "x@example.org"}
        error(await auth.call("PATCH", "/users/email", body, token=alice["access_token"]), 503)
        assert not await settled(auth)
    await eventually(lambda: settled(auth), 15)
    assert await auth.event_types(alice["user"]["id"]) == ["UserRegistered", "EmailChanged"]


class Wire:
    """A way to the database that a test can cut and mend."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._port = 0

    @property
    def url(self) -> str:
        login = self._target.netloc.rpartition("@")[0]
        return urlunsplit(self._target._replace(netloc=f"{login}@127.0.0.1:{self._port}"))

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await eventually(lambda: not self._open)
        await self._server.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._open |= {writer, back}
        await asyncio.gather(self._pipe(reader, back), self._pipe(there, writer))
        self._open -= {writer, back}

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


async def test_a_database_that_is_gone_is_an_outage_and_comes_back(
    config: AuthSettings, database: Database
) -> None:
    wire = Wire(config.database_url)
    await wire.mend()
    through = replace(config, database_url=Secret(wire.url))
    body = {"username": "bob", "password": "corduroy-9-lamp", "email": "bob@example.org"}
    async with stage(through, database.admin_url) as auth:
        await auth.register("alice")
        await wire.cut()
        for _ in range(3):
            error(await auth.login(), 503)
            error(await auth.call("POST", "/auth/register", body), 503)
        assert error(await auth.http.get("/ready"), 503)["details"][0]["field"] == "postgres"
        await wire.mend()
        data(await auth.login())
        data(await auth.call("POST", "/auth/register", body), 201)
    await wire.cut()


async def test_commands_on_one_account_at_once_keep_their_order(auth: Stage) -> None:
    alice = await auth.register("alice")
    logins = [data(await auth.login()) for _ in range(6)]
    changes = [
        auth.call(
            "PATCH", "/users/email", {"email": f"a{n}@example.org"}, token=alice["access_token"]
        )
        for n in range(6)
    ]
    outs = [auth.call("POST", "/auth/logout", token=login["access_token"]) for login in logins]
    for answer in await asyncio.gather(*changes, *outs):
        data(answer)
    types = await auth.event_types(alice["user"]["id"])
    assert sorted(types) == ["EmailChanged"] * 6 + ["SessionRevoked"] * 6 + ["UserRegistered"]
    assert await settled(auth)


async def test_one_name_goes_to_one_of_many(auth: Stage) -> None:
    bodies = [
        {"username": "Alice", "password": "corduroy-9-lamp", "email": f"a{n}@example.org"}
        for n in range(8)
    ]
    answers = await asyncio.gather(*(auth.call("POST", "/auth/register", body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert len(await auth.rows("select 1 from log.events")) == 1


def kid_of(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]


async def test_keys_rotate_without_logging_anyone_out(
    config: AuthSettings, database: Database
) -> None:
    engine = create_engine(config.database_url, size=1)
    clock = Clock()
    keys = SigningKeys(engine, config.signing_key_secret)
    try:
        await keys.refresh(clock())
        first = keys.signing.kid
        second = await keys.rotate(clock())
        await keys.refresh(clock())
        assert keys.signing.kid == first
        assert [jwk.kid for jwk in keys.published] == [first, second]
        clock.ahead = LEAD + timedelta(seconds=1)
        await keys.refresh(clock())
        assert keys.signing.kid == second
        assert [jwk.kid for jwk in keys.published] == [first, second]
        clock.ahead = LEAD + 3 * ACCESS_LIFETIME
        third = await keys.rotate(clock())
        await keys.refresh(clock())
        assert [jwk.kid for jwk in keys.published] == [second, third]
        clock.ahead += MAX_AGE
        await keys.refresh(clock())
        assert len(keys.published) == 2
        assert keys.signing.kid == third
    finally:
        await engine.dispose()


async def test_tokens_of_the_old_key_are_good_while_the_new_one_signs(auth: Stage) -> None:
    alice = await auth.register("alice")
    engine = create_engine(auth.config.database_url, size=1)
    try:
        new = await SigningKeys(engine, auth.config.signing_key_secret).rotate(
            auth.clock() - LEAD - timedelta(seconds=1)
        )
    finally:
        await engine.dispose()

    async def rotated() -> bool:
        return kid_of(data(await auth.login())["access_token"]) == new

    await eventually(rotated)
    data(await auth.call("GET", "/users/me", token=alice["access_token"]))
    document = (await auth.call("GET", "/.well-known/jwks.json")).json()
    assert {key["kid"] for key in document["keys"]} == {new, kid_of(alice["access_token"])}


async def test_replicas_that_start_together_agree_on_one_key(config: AuthSettings) -> None:
    engines = [create_engine(config.database_url, size=1) for _ in range(4)]
    replicas = [SigningKeys(engine, config.signing_key_secret) for engine in engines]
    now = Clock()()
    try:
        await asyncio.gather(*(keys.refresh(now) for keys in replicas))
        assert len({keys.signing.kid for keys in replicas}) == 1
        assert [len(keys.published) for keys in replicas] == [1] * 4
    finally:
        for engine in engines:
            await engine.dispose()


async def test_private_keys_need_their_secret(auth: Stage, config: AuthSettings) -> None:
    stored = bytes((await auth.rows("select private_key from auth.signing_keys"))[0][0])
    assert b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07" not in stored
    engine = create_engine(config.database_url, size=1)
    try:
        with pytest.raises(WrongKeySecret, match="SIGNING_KEY_SECRET"):
            await SigningKeys(engine, config.signing_key_secret + "!").refresh(auth.clock())
    finally:
        await engine.dispose()


async def test_the_key_document_is_cheap_to_poll(auth: Stage) -> None:
    answer = await auth.call("GET", "/.well-known/jwks.json")
    assert answer.status_code == 200
    assert set(answer.json()["keys"][0]) == {"kid", "x", "y", "kty", "crv", "alg", "use"}
    same = await auth.call("GET", "/.well-known/jwks.json", if_none_match=answer.headers["etag"])
    assert (same.status_code, same.content) == (304, b"")


async def test_too_many_ended_sessions_do_not_hide_the_keys(
    auth: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "MAX_REVOKED", 3)
    alice = await auth.register("alice")
    for _ in range(4):
        data(await auth.login())
    await auth.call("DELETE", "/users/me/sessions", token=alice["access_token"])
    data(await auth.login())

    async def told() -> bool:
        document = (await auth.call("GET", "/.well-known/jwks.json")).json()
        return len(document["revoked_sessions"]) == 3 and len(document["keys"]) == 1

    await eventually(told)


def environment(config: AuthSettings, **changes: str | None) -> dict[str, str]:
    wanted = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": ".",
        "CINELOG_MODE": "local",
        "BIND": "127.0.0.1:1",
        "DATABASE_URL": str(config.database_url),
        "REDIS_URL": str(config.redis_url),
        "SIGNING_KEY_SECRET": str(config.signing_key_secret),
        "JWT_ISSUER": config.jwt_issuer,
        "JWT_AUDIENCE": config.jwt_audience,
        **changes,
    }
    return {name: value for name, value in wanted.items() if value is not None}


async def test_a_process_that_cannot_start_says_why(auth: Stage, config: AuthSettings) -> None:
    for secret in (None, "short"):
        env = environment(config, SIGNING_KEY_SECRET=secret)
        code, said = refused("services.auth.main", "rotate-keys", env=env)
        assert code == 2
        assert said.startswith("cinelog: ")
        assert "SIGNING_KEY_SECRET" in said
        assert len(said.splitlines()) == 1

    env = environment(config, SIGNING_KEY_SECRET="not the one that it was sealed with")
    ended = await asyncio.to_thread(run_service, "services.auth.main", "rotate-keys", env=env)
    assert ended.returncode == 2
    assert ended.stderr.startswith("cinelog: SIGNING")
    assert len(ended.stderr.splitlines()) == 1


async def test_an_operator_can_rotate_the_keys(auth: Stage, config: AuthSettings) -> None:
    env = environment(config)
    ended = await asyncio.to_thread(run_service, "services.auth.main", "rotate-keys", env=env)
    assert ended.returncode == 0, ended.stderr
    kids = [row[0] for row in await auth.rows("select kid from auth.signing_keys")]
    assert len(kids) == 2
    assert any(kid in ended.stdout for kid in kids)
