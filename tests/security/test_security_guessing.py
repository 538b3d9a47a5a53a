"""Guessing somebody's password neither succeeds quickly nor locks the owner out."""

import asyncio
from datetime import UTC, datetime, timedelta
from http.cookies import Morsel

import httpx
import jwt
import pytest

from shared.http.device_cookies import DEVICE_COOKIE, MAX_ACCOUNTS, Device, sign_device
from tests.integration.gateway.rig import ISSUER, Rig, Service, keys_known
from tests.support.auth_stage import PASSWORD, Stage, cookies, data, error

ATTACKER, OWNER, ELSEWHERE = "198.51.100.7", "192.0.2.1", "192.0.2.99"


async def registered(auth: Stage, name: str = "alice", client: str = OWNER, **headers: str) -> str:
    """The device cookie that registration gives, as a client sends it back."""
    body = {"username": name, "password": PASSWORD, "email": f"{name}@example.org"}
    answer = await auth.call("POST", "/auth/register", body, x_cinelog_client=client, **headers)
    data(answer, 201)
    return sent(cookies(answer)[DEVICE_COOKIE])


def sent(cookie: "Morsel[str]") -> str:
    return f"{cookie.key}={cookie.value}"


async def guess(auth: Stage, times: int, client: str = ATTACKER, **headers: str) -> list[int]:
    answers = [await auth.login(password="wrong", client=client, **headers) for _ in range(times)]
    return [answer.status_code for answer in answers]


@pytest.mark.parametrize("attacker", [ATTACKER, OWNER], ids=["elsewhere", "the owner's address"])
async def test_wrong_guesses_do_not_lock_out_the_device_that_registered(
    auth: Stage, attacker: str
) -> None:
    device = await registered(auth)
    burst = auth.config.login_burst
    assert await guess(auth, burst + 2, attacker) == [401] * burst + [429] * 2
    data(await auth.login(client=ELSEWHERE, cookie=device))


async def test_wrong_guesses_do_not_lock_out_a_device_that_logged_in(auth: Stage) -> None:
    await registered(auth)
    device = sent(cookies(await auth.login(client=ELSEWHERE))[DEVICE_COOKIE])
    await guess(auth, auth.config.login_burst * 4)
    data(await auth.login(client=ATTACKER, cookie=device))


async def test_guesses_from_many_addresses_share_one_budget(auth: Stage) -> None:
    await registered(auth)
    statuses = [(await guess(auth, 1, f"{ATTACKER}{n}"))[0] for n in range(8)]
    assert statuses == [401] * auth.config.login_burst + [429] * 5


async def test_a_known_device_guesses_no_faster(auth: Stage) -> None:
    device = await registered(auth)
    burst = auth.config.login_burst
    assert await guess(auth, burst + 1, cookie=device) == [401] * burst + [429]
    assert await guess(auth, 1, ELSEWHERE, cookie=device) == [429]
    other = sent(cookies(await auth.login(client="192.0.2.98"))[DEVICE_COOKIE])
    data(await auth.login(client=OWNER, cookie=other))


async def test_a_device_is_known_for_its_own_accounts_only(auth: Stage) -> None:
    await registered(auth)
    mallory = await registered(auth, "mallory", ATTACKER)
    burst = auth.config.login_burst
    assert await guess(auth, burst + 1, cookie=mallory) == [401] * burst + [429]
    assert await guess(auth, 1, ELSEWHERE) == [429]


async def test_logins_without_a_cookie_make_one_device_for_each_address(auth: Stage) -> None:
    def device_of(cookie: str) -> str:
        token = cookie.partition("=")[2]
        return jwt.decode(token, options={"verify_signature": False})["jti"]

    await registered(auth)
    made = [sent(cookies(await auth.login(client=ELSEWHERE))[DEVICE_COOKIE]) for _ in range(5)]
    assert len({device_of(cookie) for cookie in made}) == 1
    other = sent(cookies(await auth.login(client="192.0.2.77"))[DEVICE_COOKIE])
    assert device_of(other) != device_of(made[0])
    # Guesses from one of them use up the budget of all.
    burst = auth.config.login_burst
    assert await guess(auth, burst, cookie=made[0]) == [401] * burst
    assert await guess(auth, 1, cookie=made[4]) == [429]


async def test_two_people_on_one_device_are_both_known(auth: Stage) -> None:
    alice = await registered(auth)
    both = await registered(auth, "bob", cookie=alice)
    await guess(auth, auth.config.login_burst * 2)
    data(await auth.login(client=ELSEWHERE, cookie=both))
    crowd = both
    for n in range(MAX_ACCOUNTS + 3):
        crowd = await registered(auth, f"guest{n}", cookie=crowd)
    assert len(crowd) < 1024


async def test_logging_in_again_gives_no_second_budget(auth: Stage) -> None:
    """A device keeps its id as long as it sends its cookie."""
    device = await registered(auth)
    await guess(auth, 2, cookie=device)
    renewed = sent(cookies(await auth.login(cookie=device))[DEVICE_COOKIE])
    assert await guess(auth, 2, cookie=renewed) == [401, 429]


async def test_programs_without_cookies_are_known_by_their_address(auth: Stage) -> None:
    await registered(auth)
    await guess(auth, auth.config.login_burst * 2)
    data(await auth.login(client=OWNER))
    error(await auth.login(client=ELSEWHERE), 429)


async def test_forged_device_cookies_change_nothing(auth: Stage) -> None:
    device = await registered(auth)
    token = device.partition("=")[2]
    head, claims, signature = token.split(".")
    unsigned = jwt.encode({"jti": "x", "accounts": ["y"]}, "k" * 32, headers={"typ": "device+jwt"})
    access = data(await auth.login(client=OWNER))["access_token"]
    forged = ["", "x", unsigned, access, f"{head}.{claims}.{signature[:-8]}AAAAAAAA", "a" * 5000]
    await guess(auth, auth.config.login_burst * 2)
    for cookie in forged:
        answer = await auth.login(client=ELSEWHERE, cookie=f"{DEVICE_COOKIE}={cookie}")
        error(answer, 429)
    data(await auth.login(client=ELSEWHERE, cookie=f"other=1; {device}; more=2"))


async def test_a_device_cookie_opens_nothing(auth: Stage) -> None:
    token = (await registered(auth)).partition("=")[2]
    error(await auth.call("GET", "/users/me", token=token), 401)


async def test_scripts_and_other_sites_do_not_get_the_device_cookie(auth: Stage) -> None:
    await registered(auth)
    answer = await auth.login(x_cinelog_origin="https://cinelog.example")
    cookie = cookies(answer)[DEVICE_COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "strict", True)
    assert (cookie["path"], int(cookie["max-age"])) == ("/api/v1", 30 * 24 * 3600)
    foreign = {"origin": "https://evil.example", "sec_fetch_site": "cross-site"}
    assert DEVICE_COOKIE not in cookies(await auth.login(**foreign))


async def test_guesses_at_a_change_of_the_account_are_slowed_down_too(auth: Stage) -> None:
    """A stolen session is no way around the budget."""
    token = (await auth.register("alice"))["access_token"]
    body = {"email": "new@example.org", "password": "wrong"}
    statuses = [
        (await auth.call("PATCH", "/users/email", body, token=token)).status_code
        for _ in range(auth.config.login_burst + 1)
    ]
    assert statuses == [400] * auth.config.login_burst + [429]


# At the gateway, where guesses are counted by address.


def device_cookie(service: Service, device_id: str, **changes: str) -> str:
    signed = sign_device(
        Device(device_id, ("alice",)),
        "k1",
        service.private_key,
        datetime.now(UTC) + timedelta(days=int(changes.get("days", 0))),
        issuer=changes.get("issuer", ISSUER),
    )
    return f"{DEVICE_COOKIE}={signed}"


async def logins(visitor: httpx.AsyncClient, times: int, cookie: str = "") -> list[int]:
    headers = {"x-forwarded-for": "203.0.113.1"} | ({"cookie": cookie} if cookie else {})
    answers = await asyncio.gather(
        *(visitor.post("/api/v1/auth/login", headers=headers, json={}) for _ in range(times))
    )
    return sorted(answer.status_code for answer in answers)


async def test_behind_one_address_a_known_device_is_not_locked_out(
    gateway: Rig, service: Service, visitor: httpx.AsyncClient
) -> None:
    await keys_known(gateway, service.token("alice"))
    assert await logins(visitor, 5) == [200] * 3 + [429] * 2
    assert await logins(visitor, 4, device_cookie(service, "laptop")) == [200] * 3 + [429]
    assert await logins(visitor, 3, device_cookie(service, "phone")) == [200] * 3
    received = [request.headers.get("cookie", "") for request in service.requests[-3:]]
    assert all(cookie.startswith(DEVICE_COOKIE) for cookie in received)


async def test_many_devices_of_one_address_share_a_wider_budget(
    gateway: Rig, service: Service, visitor: httpx.AsyncClient
) -> None:
    """Each account that somebody makes is another known device."""
    await keys_known(gateway, service.token("alice"))
    statuses: list[int] = []
    for n in range(25):
        statuses += await logins(visitor, 3, device_cookie(service, f"device-{n}"))
    assert statuses.count(200) in {60, 61, 62, 63, 64, 65}
    assert statuses[:60] == [200] * 60


async def test_at_the_gateway_forged_devices_share_the_address(
    gateway: Rig, service: Service, visitor: httpx.AsyncClient
) -> None:
    await keys_known(gateway, service.token("alice"))
    async with Service().running() as other:
        forged = [
            device_cookie(other, "stolen"),
            device_cookie(service, "old", days="-31"),
            device_cookie(service, "foreign", issuer="https://elsewhere.example"),
            f"{DEVICE_COOKIE}={service.token('alice')}",
            f"{DEVICE_COOKIE}=x.y.z",
        ]
    assert await logins(visitor, 3) == [200] * 3
    for cookie in forged:
        assert await logins(visitor, 1, cookie) == [429], cookie


async def test_devices_register_no_faster(
    gateway: Rig, service: Service, visitor: httpx.AsyncClient
) -> None:
    await keys_known(gateway, service.token("alice"))
    statuses = [
        (
            await visitor.post(
                "/api/v1/auth/register",
                json={},
                headers={
                    "x-forwarded-for": "203.0.113.1",
                    "cookie": device_cookie(service, f"device-{n}"),
                },
            )
        ).status_code
        for n in range(5)
    ]
    assert statuses == [200] * 3 + [429] * 2
