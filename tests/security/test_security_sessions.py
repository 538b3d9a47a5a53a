"""Sessions: what a stolen one can do, and what other sites' pages can do with a browser's."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from services.auth.domain import GRACE
from services.auth.handlers import session_opener
from services.auth.settings import AuthSettings
from shared.http.device_cookies import DEVICE_COOKIE, REFRESH_COOKIE
from tests.integration.gateway.rig import Rig, Service, running_gateway
from tests.support.auth_stage import PASSWORD, Answer, Stage, cookies, data, error

OURS, FRIEND, EVIL = "https://cinelog.example", "https://app.example", "https://evil.example"
AGO = -timedelta(minutes=5, seconds=1)
CHANGES = [("PATCH", "/users/email", {"email": "new@example.org"}), ("DELETE", "/users/{id}", None)]


@pytest.fixture
def auth_config(auth_config: AuthSettings) -> AuthSettings:
    return replace(auth_config, cors_origins=("*", FRIEND))


async def registered_ago(auth: Stage) -> Any:
    """Somebody whose login is too old to change the account with it."""
    auth.clock.ahead = AGO
    alice = await auth.register("alice")
    auth.clock.ahead = timedelta()
    return alice


async def change(auth: Stage, person: Any, what: tuple[str, str, Any], **more: Any) -> Answer:
    method, path, body = what
    body = {**(body or {}), **more} if body or more else None
    path = path.format(id=person["user"]["id"])
    return await auth.call(method, path, body, token=person["access_token"])


async def test_an_account_has_so_many_sessions_and_a_login_ends_the_oldest(
    auth: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it logs in: each session is a row, and the list of them has no pages."""
    monkeypatch.setattr(session_opener, "MAX_SESSIONS", 3)
    alice = await auth.register("alice")
    first = data(await auth.login("alice"))
    # What is used stays.
    auth.clock.ahead = timedelta(seconds=1)
    used = data(await auth.refresh(alice["refresh_token"]))
    auth.clock.ahead = timedelta(seconds=2)
    later = [data(await auth.login("alice")) for _ in range(2)]
    assert error(await auth.refresh(first["refresh_token"]), 401)["type"] == "invalid_refresh_token"
    auth.clock.ahead = timedelta()
    assert (await auth.call("GET", "/users/me", token=first["access_token"])).status_code == 401
    sessions = data(await auth.call("GET", "/users/me/sessions", token=used["access_token"]))
    assert len(sessions) == 3
    await asyncio.gather(*(auth.login("alice", client=f"192.0.2.{n}") for n in range(12)))
    auth.clock.ahead = timedelta(seconds=3)
    assert (await auth.login("alice")).status_code == 200
    owner = await asyncpg.connect(auth.admin_url)
    assert await owner.fetchval("select count(*) from auth.sessions") == 3
    reasons = await owner.fetch(
        "select data->>'reason' as reason from log.events where type = 'SessionRevoked'"
    )
    assert {row["reason"] for row in reasons} == {"too_many"}
    await owner.close()
    assert len(later) == 2


@pytest.mark.parametrize("what", CHANGES, ids=["e-mail", "deletion"])
async def test_a_stolen_session_cannot_take_the_account_over(auth: Stage, what: Any) -> None:
    alice = await registered_ago(auth)
    renewed = data(await auth.refresh(alice["refresh_token"]))
    stolen = {**alice, **renewed}
    refused = error(await change(auth, stolen, what), 403)
    assert refused["type"] == "reauthentication_required"
    assert "password" in refused["message"]
    assert [detail["field"] for detail in refused["details"]] == ["password"]
    wrong = error(await change(auth, stolen, what, password="wrong"), 400)
    assert wrong["type"] == "wrong_password"
    assert data(await auth.call("GET", "/users/me", token=stolen["access_token"]))["email"] == (
        "alice@example.org"
    )


@pytest.mark.parametrize("what", CHANGES, ids=["e-mail", "deletion"])
@pytest.mark.parametrize("field", ["password", "current_password"])
async def test_the_password_confirms_a_change(auth: Stage, what: Any, field: str) -> None:
    alice = await registered_ago(auth)
    data(await change(auth, alice, what, **{field: PASSWORD}))


@pytest.mark.parametrize("what", CHANGES, ids=["e-mail", "deletion"])
async def test_who_has_just_logged_in_is_not_asked(auth: Stage, what: Any) -> None:
    alice = await registered_ago(auth)
    token = data(await auth.login())["access_token"]
    data(await change(auth, {**alice, "access_token": token}, what))


async def test_other_peoples_accounts_stay_what_they_were(auth: Stage) -> None:
    alice, bob = await registered_ago(auth), await auth.register("bob")
    answer = await auth.call(
        "DELETE",
        f"/users/{bob['user']['id']}",
        {"password": PASSWORD},
        token=alice["access_token"],
    )
    assert error(answer, 403)["type"] == "not_your_account"


# The refresh token of a browser.


async def browser_login(auth: Stage, **headers: str) -> tuple[Answer, str]:
    """An answer, and the refresh cookie as the browser sends it back."""
    body = {"username": "alice", "password": PASSWORD, "session_in": "cookie"}
    origin = {"origin": OURS, "x_cinelog_origin": OURS, "sec_fetch_site": "same-origin"}
    answer = await auth.call("POST", "/auth/login", body, **{**origin, **headers})
    return answer, f"{REFRESH_COOKIE}={cookies(answer)[REFRESH_COOKIE].value}"


async def refresh(auth: Stage, cookie: str, **headers: str) -> Answer:
    sent = {"cookie": cookie, "x_cinelog_origin": OURS, **headers}
    return await auth.call("POST", "/auth/refresh", {}, **sent)


async def test_scripts_of_a_page_never_see_the_refresh_token(auth: Stage) -> None:
    await auth.register("alice")
    answer, cookie = await browser_login(auth)
    assert data(answer)["refresh_token"] == ""
    flags = cookies(answer)[REFRESH_COOKIE]
    assert (flags["httponly"], flags["samesite"], flags["secure"]) == (True, "strict", True)
    assert flags["path"] == "/api/v1/auth/refresh"
    assert int(flags["max-age"]) == auth.config.refresh_days * 24 * 3600

    renewed = await refresh(auth, cookie, origin=OURS)
    assert data(renewed)["refresh_token"] == ""
    successor = cookies(renewed)[REFRESH_COOKIE]
    assert successor.value not in cookie
    assert successor["httponly"]
    data(await refresh(auth, f"{REFRESH_COOKIE}={successor.value}", origin=OURS))


async def test_without_https_the_cookie_works_too(auth: Stage) -> None:
    await auth.register("alice")
    plain = "http://cinelog.local"
    answer, _ = await browser_login(auth, origin=plain, x_cinelog_origin=plain)
    assert not cookies(answer)[REFRESH_COOKIE]["secure"]


async def test_the_contract_with_programs_stays(auth: Stage) -> None:
    await auth.register("alice")
    answer = await auth.login()
    assert REFRESH_COOKIE not in cookies(answer)
    renewed = await auth.refresh(data(answer)["refresh_token"])
    assert data(renewed)["refresh_token"]
    assert cookies(renewed) == {}
    missing = error(await auth.call("POST", "/auth/refresh", {}), 400)
    assert missing["details"] == [{"field": "refresh_token", "message": "is required"}]


FOREIGN = [
    {"origin": EVIL},
    {"origin": "null"},
    {"origin": EVIL, "sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "same-site", "origin": "https://other.cinelog.example"},
    {"origin": f"{OURS}.evil.example"},
    {"origin": OURS.replace("https", "http")},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_another_sites_page_cannot_refresh(auth: Stage, headers: dict[str, str]) -> None:
    await auth.register("alice")
    _, cookie = await browser_login(auth)
    refused = await refresh(auth, cookie, **headers)
    assert error(refused, 403)["type"] == "cross_site_request"
    assert cookies(refused) == {}
    data(await refresh(auth, cookie, origin=OURS))


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_another_sites_page_cannot_log_out(auth: Stage, headers: dict[str, str]) -> None:
    token = (await auth.register("alice"))["access_token"]
    _, cookie = await browser_login(auth)
    sent = {"cookie": cookie, "x_cinelog_origin": OURS, **headers}
    error(await auth.call("POST", "/auth/logout", **sent), 401)
    error(await auth.call("POST", "/auth/logout", token=token, **sent), 403)
    data(await auth.call("GET", "/users/me", token=token))
    data(await refresh(auth, cookie, origin=OURS))


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_another_sites_page_cannot_log_a_browser_in(
    auth: Stage, headers: dict[str, str]
) -> None:
    await auth.register("alice")
    body = {"username": "alice", "password": PASSWORD}
    sent = {"x_cinelog_origin": OURS, **headers}
    assert cookies(await auth.call("POST", "/auth/login", body, **sent)) == {}
    asked = await auth.call("POST", "/auth/login", {**body, "session_in": "cookie"}, **sent)
    assert error(asked, 403)["type"] == "cross_site_request"
    assert cookies(asked) == {}


async def test_pages_of_a_listed_origin_use_the_cookie(auth: Stage) -> None:
    await auth.register("alice")
    friend = {"origin": FRIEND, "sec_fetch_site": "same-site"}
    _, cookie = await browser_login(auth, **friend)
    data(await refresh(auth, cookie, **friend))


async def test_logging_out_deletes_the_cookie(auth: Stage) -> None:
    await auth.register("alice")
    answer, cookie = await browser_login(auth)
    out = await auth.call(
        "POST", "/auth/logout", token=data(answer)["access_token"], x_cinelog_origin=OURS
    )
    data(out)
    deleted = cookies(out)[REFRESH_COOKIE]
    assert (deleted.value, deleted["max-age"], deleted["path"]) == ("", "0", "/api/v1/auth/refresh")
    error(await refresh(auth, cookie, origin=OURS), 401)


async def test_tabs_that_wake_up_together_stay_logged_in(auth: Stage) -> None:
    await auth.register("alice")
    _, cookie = await browser_login(auth)
    answers = await asyncio.gather(*(refresh(auth, cookie, origin=OURS) for _ in range(8)))
    (successor,) = {cookies(answer)[REFRESH_COOKIE].value for answer in answers}
    data(await refresh(auth, f"{REFRESH_COOKIE}={successor}", origin=OURS))
    auth.clock.ahead = GRACE + timedelta(seconds=1)
    error(await refresh(auth, cookie, origin=OURS), 401)
    error(await refresh(auth, f"{REFRESH_COOKIE}={successor}", origin=OURS), 401)


# What the gateway lets pages of other origins do.


@pytest.fixture
async def open_gateway(service: Service, redis_url: str) -> AsyncIterator[Rig]:
    async with running_gateway(service, redis_url, cors_origins=f"*,{FRIEND}") as running:
        yield running


async def test_only_listed_origins_may_send_cookies(open_gateway: Rig) -> None:
    allow = "access-control-allow-credentials"
    asked = {"access-control-request-method": "POST"}
    async with httpx.AsyncClient(base_url=open_gateway.url, trust_env=False) as client:
        for method, more in (("POST", {}), ("OPTIONS", asked)):
            for origin, wanted in ((FRIEND, "true"), (EVIL, None), ("null", None)):
                answer = await client.request(
                    method, "/api/v1/auth/refresh", headers={"origin": origin, **more}
                )
                assert answer.headers.get(allow) == wanted, (method, origin)
                assert answer.headers["access-control-allow-origin"] == origin


async def test_a_page_load_does_not_use_up_the_logins(
    gateway: Rig, visitor: httpx.AsyncClient
) -> None:
    """A browser refreshes on every page load, because its access token is in memory only."""
    headers = {"cookie": f"{REFRESH_COOKIE}=abc", "x-forwarded-for": "203.0.113.1"}
    loads = [await visitor.post("/api/v1/auth/refresh", headers=headers) for _ in range(10)]
    assert {answer.status_code for answer in loads} == {200}
    assert "set-cookie" not in loads[0].headers
    del headers["cookie"]
    bare = [await visitor.post("/api/v1/auth/refresh", headers=headers) for _ in range(4)]
    assert [answer.status_code for answer in bare] == [200, 200, 200, 429]


async def test_the_gateway_passes_cookies_in_both_directions(
    gateway: Rig, service: Service, visitor: httpx.AsyncClient
) -> None:
    async def answer(request: Any, peer: Any) -> None:
        await peer.answer(200, {}, set_cookie=f"{DEVICE_COOKIE}=new; HttpOnly")

    service.handler = answer
    headers = {"cookie": f"{DEVICE_COOKIE}=old"}
    answered = await visitor.post("/api/v1/auth/login", headers=headers, json={})
    assert service.requests[-1].headers["cookie"] == f"{DEVICE_COOKIE}=old"
    assert answered.headers["set-cookie"] == f"{DEVICE_COOKIE}=new; HttpOnly"
