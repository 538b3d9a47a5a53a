"""Accounts through HTTP: every route's answers, and what the log learns."""

from typing import Any

import pytest

from tests.support.auth_stage import PASSWORD, Stage, data, error


def registration(**changes: Any) -> dict[str, Any]:
    return {"username": "alice", "password": PASSWORD, "email": "alice@example.org", **changes}


async def test_registering(auth: Stage) -> None:
    answer = await auth.call("POST", "/auth/register", registration())
    made = data(answer, 201)
    user = made["user"]
    assert user == {
        "id": user["id"],
        "username": "alice",
        "email": "alice@example.org",
        "videos": [],
    }
    assert answer.headers["location"] == f"/api/v1/users/id/{user['id']}"
    assert answer.headers["cache-control"] == "no-store"
    assert await auth.events(user["id"]) == [
        ("UserRegistered", {"user_id": user["id"], "username": "alice"})
    ]
    me = data(await auth.call("GET", "/users/me", token=made["access_token"]))
    assert (me["id"], me["email"]) == (user["id"], "alice@example.org")
    data(await auth.refresh(made["refresh_token"]))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"username": "al"}, "username"),
        ({"username": "a" * 101}, "username"),
        ({"username": "a/b/c"}, "username"),
        ({"password": "short"}, "password"),
        ({"password": "password"}, "password"),
        ({"password": "a" * 300}, "password"),
        ({"email": "nowhere"}, "email"),
        ({"email": 7}, "email"),
    ],
)
async def test_registering_badly(auth: Stage, changes: dict[str, Any], field: str) -> None:
    answer = await auth.call("POST", "/auth/register", registration(**changes))
    assert [detail["field"] for detail in error(answer, 400)["details"]] == [field]


async def test_a_username_is_as_long_as_its_normal_form(auth: Stage) -> None:
    """Some keyboards and file systems send letters and accents apart."""
    sent = "e\u0301" * 100
    answer = await auth.call("POST", "/auth/register", registration(username=sent))
    assert data(answer, 201)["user"]["username"] == "é" * 100
    again = {"username": sent, "password": registration()["password"]}
    data(await auth.call("POST", "/auth/login", again))


@pytest.mark.parametrize("field", ["username", "password", "email"])
async def test_registering_incompletely(auth: Stage, field: str) -> None:
    body = registration()
    del body[field]
    answer = await auth.call("POST", "/auth/register", body)
    assert error(answer, 400)["details"] == [{"field": field, "message": "is required"}]


async def test_names_and_addresses_are_taken_in_any_case(auth: Stage) -> None:
    await auth.register("alice")
    name = registration(username="ALICE", email="other@example.org")
    assert error(await auth.call("POST", "/auth/register", name), 409)["type"] == "username_taken"
    mail = registration(username="other", email="Alice@Example.org")
    assert error(await auth.call("POST", "/auth/register", mail), 409)["type"] == "email_taken"
    assert len(await auth.rows("select 1 from log.events")) == 1


async def test_an_idempotency_key_makes_one_account(auth: Stage) -> None:
    first = await auth.register("alice", idempotency_key="key-1")
    again = await auth.register("alice", idempotency_key="key-1")
    assert first["user"] == again["user"]
    other = registration(password="another-9-lamp")
    answer = await auth.call("POST", "/auth/register", other, idempotency_key="key-1")
    assert error(answer, 409)["type"] == "conflict"
    answer = await auth.call("POST", "/auth/register", registration(), idempotency_key="key-2")
    assert error(answer, 409)["type"] == "username_taken"


PROTECTED = [
    ("POST", "/auth/logout", None),
    ("GET", "/users/me", None),
    ("GET", "/users/me/sessions", None),
    ("DELETE", "/users/me/sessions", None),
    ("DELETE", "/users/me/sessions/x", None),
    ("PATCH", "/users/email", {"email": "a@b.co"}),
    ("PATCH", "/users/password", {"current_password": "x", "new_password": "y"}),
    ("DELETE", "/users/x", None),
]


@pytest.mark.parametrize(("method", "path", "body"), PROTECTED)
async def test_protected_routes_want_a_token(
    auth: Stage, method: str, path: str, body: Any
) -> None:
    answer = await auth.call(method, path, body)
    assert error(answer, 401)["type"] == "unauthenticated"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert error(await auth.call(method, path, body, token="x.y.z"), 401)["type"] == "invalid_token"


async def test_changing_the_address(auth: Stage) -> None:
    alice = await auth.register("alice")
    await auth.register("bob")
    token, user_id = alice["access_token"], alice["user"]["id"]

    async def change(email: Any) -> Any:
        return await auth.call("PATCH", "/users/email", {"email": email}, token=token)

    assert data(await change("new@example.org"))["email"] == "new@example.org"
    assert data(await auth.call("GET", "/users/me", token=token))["email"] == "new@example.org"
    assert error(await change("bob@EXAMPLE.org"), 409)["type"] == "email_taken"
    assert error(await change("nonsense"), 400)["type"] == "invalid_email"
    assert error(await change(None), 400)["type"] == "invalid_input"
    data(await change("new@example.org"))
    assert await auth.events(user_id) == [
        ("UserRegistered", {"user_id": user_id, "username": "alice"}),
        ("EmailChanged", {"user_id": user_id}),
    ]


async def test_changing_the_password(auth: Stage) -> None:
    alice = await auth.register("alice")
    other = data(await auth.login())
    token = alice["access_token"]

    async def change(current: str, new: str) -> Any:
        body = {"current_password": current, "new_password": new}
        return await auth.call("PATCH", "/users/password", body, token=token)

    assert error(await change("wrong", "another-9-lamp"), 400)["type"] == "wrong_password"
    weak = error(await change(PASSWORD, "password"), 400)
    assert (weak["type"], weak["details"][0]["field"]) == ("weak_password", "new_password")
    data(await change(PASSWORD, "another-9-lamp"))

    error(await auth.login(password=PASSWORD), 401)
    data(await auth.login(password="another-9-lamp"))
    error(await auth.refresh(other["refresh_token"]), 401)
    error(await auth.call("GET", "/users/me", token=other["access_token"]), 401)
    data(await auth.call("GET", "/users/me", token=token))
    data(await auth.refresh(alice["refresh_token"]))
    assert await auth.event_types(alice["user"]["id"]) == [
        "UserRegistered",
        "PasswordChanged",
        "SessionRevoked",
    ]


async def test_deleting_an_account_erases_the_person(auth: Stage) -> None:
    alice, bob = await auth.register("alice", idempotency_key="k"), await auth.register("bob")
    token, user_id = alice["access_token"], alice["user"]["id"]
    assert (
        error(await auth.call("DELETE", f"/users/{bob['user']['id']}", token=token), 403)["type"]
        == "not_your_account"
    )
    assert (
        error(await auth.call("DELETE", "/users/nobody", token=token), 404)["type"]
        == "user_not_found"
    )
    data(await auth.call("DELETE", f"/users/{user_id}", token=token))

    error(await auth.call("GET", "/users/me", token=token), 401)
    error(await auth.refresh(alice["refresh_token"]), 401)
    error(await auth.login(), 401)
    assert (await auth.event_types(user_id))[-1] == "UserDeleted"
    for table in ("accounts", "sessions", "registrations"):
        left = await auth.rows(f"select user_id from auth.{table}")
        assert {row[0] for row in left} <= {bob["user"]["id"]}, table
    assert len(await auth.rows("select 1 from auth.refresh_tokens")) == 1
    again = await auth.register("alice")
    assert again["user"]["id"] != user_id


async def test_the_log_knows_no_secrets(auth: Stage) -> None:
    alice = await auth.register("alice")
    data(
        await auth.call(
            "PATCH", "/users/email", {"email": "new@example.org"}, token=alice["access_token"]
        )
    )
    data(await auth.call("DELETE", f"/users/{alice['user']['id']}", token=alice["access_token"]))
    log = str(await auth.rows("select data::text, metadata::text from log.events"))
    for secret in ("example.org", PASSWORD, alice["refresh_token"], "argon2"):
        assert secret not in log


async def test_odd_requests(auth: Stage) -> None:
    answer = await auth.http.post("/api/v1/auth/login", content=b"username=a&password=b")
    assert error(answer, 400)["type"] == "invalid_input"
    answer = await auth.http.post(
        "/api/v1/auth/login", content=b"{}", headers={"content-type": "text/plain"}
    )
    assert error(answer, 415)["type"] == "unsupported_media_type"
    error(await auth.call("GET", "/auth/login"), 405)
    error(await auth.call("POST", "/auth/nothing"), 404)
    error(
        await auth.call("POST", "/auth/login", {"username": "a" * 2_000_000, "password": "x"}), 413
    )


async def test_the_default_visibility(auth: Stage) -> None:
    made = await auth.register()
    user, token = made["user"]["id"], made["access_token"]
    assert data(await auth.call("GET", "/users/me", token=token))["default_visibility"] == "public"
    for visibility in ("private", "private", "draft"):
        body = {"default_visibility": visibility}
        changed = data(await auth.call("PATCH", "/users/me", body, token=token))
        assert changed["default_visibility"] == visibility
        assert changed == data(await auth.call("GET", "/users/me", token=token))
    assert (await auth.events(user))[1:] == [
        ("DefaultVisibilityChanged", {"user_id": user, "visibility": visibility})
        for visibility in ("private", "draft")
    ]
    for wrong in ({"default_visibility": "Public"}, {}, {"default_visibilty": "private"}):
        refused = error(await auth.call("PATCH", "/users/me", wrong, token=token), 400)
        assert "default_visibil" in refused["details"][0]["field"]
    error(await auth.call("PATCH", "/users/me", {"default_visibility": "draft"}), 401)
