"""Logins, refreshes and their ends."""

import asyncio
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import Engine, event

from services.auth.domain import GRACE
from services.auth.passwords import Passwords
from services.auth.settings import AuthSettings
from shared.http.identity import InvalidToken, Verifier
from shared.http.jwks import KeyDocument, Keys, parse_keys
from tests.support.auth_stage import PASSWORD, Stage, data, error, stage
from tests.support.databases import Database
from tests.support.wait import eventually


async def test_logging_in(auth: Stage) -> None:
    alice = await auth.register("alice")
    answer = await auth.login("ALICE")
    assert data(answer)["user"] == "alice"
    assert answer.headers["cache-control"] == "no-store"
    me = data(await auth.call("GET", "/users/me", token=data(answer)["access_token"]))
    assert me["id"] == alice["user"]["id"]
    for body in ({}, {"username": "alice"}, {"username": "", "password": ""}, []):
        error(await auth.call("POST", "/auth/login", body), 400)


class Watched(Passwords):
    """Notes the parameters of every hash that is compared."""

    def __init__(self) -> None:
        super().__init__(memory_kib=64, iterations=1)
        self.compared: list[str] = []

    def _matches(self, stored: str, password: str) -> bool:
        self.compared.append(stored.rsplit("$", 2)[0])
        return super()._matches(stored, password)


async def test_unknown_users_and_wrong_passwords_look_and_cost_the_same(
    config: AuthSettings, database: Database
) -> None:
    watched = Watched()
    async with stage(config, database.admin_url, watched) as auth:
        await auth.register("alice")
        wrong, unknown = await auth.login("alice", "wrong"), await auth.login("nobody", "wrong")
    first, second = error(wrong, 401), error(unknown, 401)
    assert first.pop("trace_id", None) != second.pop("trace_id", "")
    assert first == second
    varying = {"x-request-id", "server-timing", "trace-id"}
    assert {k: v for k, v in wrong.headers.items() if k not in varying} == {
        k: v for k, v in unknown.headers.items() if k not in varying
    }
    assert len(watched.compared) == 2
    assert len(set(watched.compared)) == 1


async def test_hashes_grow_at_login(config: AuthSettings, database: Database) -> None:
    stored = "select password_hash from auth.accounts"
    async with stage(config, database.admin_url) as auth:
        await auth.register("alice")
        before = (await auth.rows(stored))[0][0]
    stronger = Passwords(memory_kib=128, iterations=1)
    async with stage(config, database.admin_url, stronger) as auth:
        data(await auth.login())
        after = (await auth.rows(stored))[0][0]
        data(await auth.login())
    assert "m=64" in before
    assert "m=128" in after


async def test_a_refresh_token_is_spent_by_use(auth: Stage) -> None:
    tokens = await auth.register("alice")
    for _ in range(3):
        tokens = data(await auth.refresh(tokens["refresh_token"]))
        data(await auth.call("GET", "/users/me", token=tokens["access_token"]))
    for bad in ("", "x", "x" * 129, None):
        error(
            await auth.call("POST", "/auth/refresh", {"refresh_token": bad}),
            400 if bad != "x" else 401,
        )
    error(await auth.call("POST", "/auth/refresh", {}), 400)


async def test_two_tabs_that_refresh_at_once_share_one_successor(auth: Stage) -> None:
    spent = (await auth.register("alice"))["refresh_token"]
    one, two = data(await auth.refresh(spent)), data(await auth.refresh(spent))
    assert one["refresh_token"] == two["refresh_token"]
    assert one["access_token"] != two["access_token"]
    data(await auth.refresh(one["refresh_token"]))


async def test_many_who_refresh_at_once_share_one_successor(auth: Stage) -> None:
    spent = (await auth.register("alice"))["refresh_token"]
    answers = await asyncio.gather(*(auth.refresh(spent) for _ in range(12)))
    (successor,) = {data(answer)["refresh_token"] for answer in answers}
    tokens = await auth.rows("select used_at from auth.refresh_tokens")
    assert [row[0] is None for row in tokens].count(True) == 1
    data(await auth.refresh(successor))


async def test_an_unused_token_takes_one_statement(auth: Stage) -> None:
    token = (await auth.register("alice"))["refresh_token"]
    statements: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        data(await auth.refresh(token))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len([each for each in statements if "refresh_tokens" in each]) == 1


async def test_who_comes_late_gets_the_token_that_is_unused(auth: Stage) -> None:
    """One tab refreshed twice before another, which raced with its first refresh, was answered."""
    spent = (await auth.register("alice"))["refresh_token"]
    first = data(await auth.refresh(spent))["refresh_token"]
    second = data(await auth.refresh(first))["refresh_token"]
    assert data(await auth.refresh(spent))["refresh_token"] == second
    auth.clock.ahead = GRACE + timedelta(seconds=1)
    data(await auth.refresh(second))


async def test_a_spent_token_that_comes_back_ends_the_session(auth: Stage) -> None:
    alice = await auth.register("alice")
    stolen = alice["refresh_token"]
    current = data(await auth.refresh(stolen))
    auth.clock.ahead = GRACE + timedelta(seconds=1)
    answers = await asyncio.gather(*(auth.refresh(stolen) for _ in range(4)))
    assert {error(answer, 401)["type"] for answer in answers} == {"invalid_refresh_token"}
    error(await auth.refresh(current["refresh_token"]), 401)
    auth.clock.ahead = timedelta()
    error(await auth.call("GET", "/users/me", token=current["access_token"]), 401)
    revoked = [e for kind, e in await auth.events(alice["user"]["id"]) if kind == "SessionRevoked"]
    assert [event["reason"] for event in revoked] == ["refresh_token_reused"]


async def test_other_sessions_of_the_same_person_go_on(auth: Stage) -> None:
    stolen = (await auth.register("alice"))["refresh_token"]
    elsewhere = data(await auth.login())
    data(await auth.refresh(stolen))
    auth.clock.ahead = GRACE + timedelta(seconds=1)
    error(await auth.refresh(stolen), 401)
    data(await auth.refresh(elsewhere["refresh_token"]))


async def test_a_refresh_token_expires(auth: Stage) -> None:
    alice = await auth.register("alice")
    auth.clock.ahead = timedelta(days=auth.config.refresh_days, seconds=1)
    error(await auth.refresh(alice["refresh_token"]), 401)
    assert await auth.event_types(alice["user"]["id"]) == ["UserRegistered"]


async def test_refresh_tokens_are_not_stored(auth: Stage) -> None:
    token = (await auth.register("alice"))["refresh_token"]
    stored = await auth.rows("select token_hash from auth.refresh_tokens")
    assert token.encode() not in stored[0][0]
    assert token not in str(await auth.rows("select * from auth.sessions"))


async def test_logging_out(auth: Stage) -> None:
    alice = await auth.register("alice")
    elsewhere = data(await auth.login())
    token = alice["access_token"]
    assert data(await auth.call("POST", "/auth/logout", token=token))["message"]
    error(await auth.call("POST", "/auth/logout", token=token), 401)
    error(await auth.refresh(alice["refresh_token"]), 401)
    data(await auth.refresh(elsewhere["refresh_token"]))
    kind, event = (await auth.events(alice["user"]["id"]))[-1]
    assert (kind, event["reason"]) == ("SessionRevoked", "logout")


class Published:
    """A key source as another service has it: what auth published last."""

    def __init__(self) -> None:
        self.current: Keys | None = None

    async def refetch(self) -> None:
        return

    def running(self) -> None:
        raise NotImplementedError


async def test_other_services_learn_of_a_logout(auth: Stage) -> None:
    alice = await auth.register("alice")
    token = alice["access_token"]
    source = Published()
    elsewhere = Verifier(source, issuer=auth.config.jwt_issuer, audience=auth.config.jwt_audience)

    async def poll() -> Keys:
        answer = await auth.call("GET", "/.well-known/jwks.json")
        source.current = parse_keys(msgspec.json.decode(answer.content, type=KeyDocument))
        return source.current

    await poll()
    assert (await elsewhere.verify(token)).user_id == alice["user"]["id"]
    data(await auth.call("POST", "/auth/logout", token=token))

    async def refused() -> bool:
        await poll()
        with pytest.raises(InvalidToken):
            await elsewhere.verify(token)
        return True

    async def heard() -> bool:
        return bool((await poll()).revoked)

    await eventually(heard)
    assert await refused()


async def test_looking_at_and_ending_sessions(auth: Stage) -> None:
    alice = await auth.register("alice")
    bob = await auth.register("bob")
    phone = data(await auth.login())
    token = alice["access_token"]
    sessions = data(await auth.call("GET", "/users/me/sessions", token=token))
    assert [session["current"] for session in sessions].count(True) == 1
    other = next(session["id"] for session in sessions if not session["current"])

    error(await auth.call("DELETE", f"/users/me/sessions/{other}", token=bob["access_token"]), 404)
    data(await auth.call("DELETE", f"/users/me/sessions/{other}", token=token))
    error(await auth.call("DELETE", f"/users/me/sessions/{other}", token=token), 404)
    error(await auth.refresh(phone["refresh_token"]), 401)
    assert len(data(await auth.call("GET", "/users/me/sessions", token=token))) == 1

    data(await auth.login())
    data(await auth.call("DELETE", "/users/me/sessions", token=token))
    error(await auth.call("GET", "/users/me", token=token), 401)
    assert len(await auth.rows("select 1 from auth.sessions")) == 1
    data(await auth.login(password=PASSWORD))


async def test_a_login_that_meets_a_password_change_does_not_survive_it(auth: Stage) -> None:
    alice = await auth.register("alice")
    body = {"current_password": PASSWORD, "new_password": "another-9-lamp"}
    changing = auth.call("PATCH", "/users/password", body, token=alice["access_token"])
    changed, *logins = await asyncio.gather(
        changing, *(auth.login(client=f"192.0.2.{n}") for n in range(6))
    )
    data(changed)
    for login in logins:
        if login.status_code == 200:
            error(await auth.refresh(data(login)["refresh_token"]), 401)
