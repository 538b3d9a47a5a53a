"""A user's life as events, and the rules of names, addresses and refreshes."""

from datetime import UTC, datetime, timedelta

import pytest

from services.auth import domain
from services.auth.domain import (
    ChangeEmail,
    ChangePassword,
    Command,
    Delete,
    PresentedToken,
    Register,
    RevokeSessions,
    User,
    judge_refresh,
)
from shared.contracts import (
    EmailChanged,
    Event,
    PasswordChanged,
    SessionRevoked,
    UserDeleted,
    UserRegistered,
)

REGISTERED = UserRegistered(user_id="u", username="alice")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def after(*events: Event) -> User:
    user = User()
    for event in events:
        user = domain.evolve(user, event)
    return user


def revoked(session: str, reason: str = "logout") -> SessionRevoked:
    return SessionRevoked(user_id="u", session_id=session, reason=reason)


CASES: list[tuple[list[Event], Command, list[Event]]] = [
    ([], Register("u", "alice"), [REGISTERED]),
    ([REGISTERED], ChangeEmail(), [EmailChanged(user_id="u")]),
    ([REGISTERED], ChangePassword(), [PasswordChanged(user_id="u")]),
    (
        [REGISTERED, revoked("s1")],
        ChangePassword(("s2",)),
        [PasswordChanged(user_id="u"), revoked("s2", "password_changed")],
    ),
    ([REGISTERED], RevokeSessions(("s1", "s1"), "logout"), [revoked("s1")]),
    ([REGISTERED, EmailChanged(user_id="u")], Delete(), [UserDeleted(user_id="u")]),
]


@pytest.mark.parametrize(("given_events", "command", "expected"), CASES)
def test_what_a_command_means(
    given_events: list[Event], command: Command, expected: list[Event]
) -> None:
    assert domain.decide(after(*given_events), command) == expected


def test_nobody_registers_twice() -> None:
    with pytest.raises(domain.AlreadyRegistered):
        domain.decide(after(REGISTERED), Register("u", "alice"))


@pytest.mark.parametrize("events", [[], [REGISTERED, UserDeleted(user_id="u")]])
@pytest.mark.parametrize(
    "command", [ChangeEmail(), ChangePassword(), RevokeSessions(("s",), "logout"), Delete()]
)
def test_nothing_happens_to_who_is_not_there(events: list[Event], command: Command) -> None:
    with pytest.raises(domain.UserNotFound):
        domain.decide(after(*events), command)


def test_a_refused_username_names_the_field() -> None:
    assert domain.valid_username("Zoe\u0308") == "Zo\u00eb"
    with pytest.raises(domain.InvalidUsername) as raised:
        domain.valid_username("a\u200bbc")
    assert raised.value.details[0].field == "username"


@pytest.mark.parametrize(
    "email", ["a@b.co", "first.last+tag@sub.example.org", "o'brien@example.org", f"{'a' * 64}@b.io"]
)
def test_addresses(email: str) -> None:
    assert domain.valid_email(f" {email} ") == email


@pytest.mark.parametrize(
    "email",
    ["", "a", "@b.co", "a@", "a@b", "a@b.", "a@.co", "a@b..co", "a b@c.de", "a@b@c.de", "a@-b.co",
     ".a@b.co", "a.@b.co", "a..b@c.de", "a@b.c", f"{'a' * 65}@b.co", f"a@{'b.' * 130}co",
     "a@b.co\nBcc: x@y.zz", '"a"@b.co', "a@[127.0.0.1]", "a\x00@b.co"],
)  # fmt: skip
def test_what_is_no_address(email: str) -> None:
    with pytest.raises(domain.InvalidEmail):
        domain.valid_email(email)


def test_an_address_may_have_254_characters() -> None:
    def address(length: int) -> str:
        local = "a" * 60
        rest = length - len(local) - len("@") - len(".example")
        labels = ".".join("b" * min(60, rest - place) for place in range(0, rest, 61))
        return f"{local}@{labels}.example"

    assert len(address(254)) == 254
    assert domain.valid_email(address(254)) == address(254)
    with pytest.raises(domain.InvalidEmail):
        domain.valid_email(address(255))


def test_one_address_has_one_key() -> None:
    assert domain.email_key("Alice@Example.ORG") == domain.email_key("alice@example.org")


LATER = NOW + timedelta(days=30)


@pytest.mark.parametrize(
    ("token", "verdict"),
    [
        (PresentedToken(LATER), "rotate"),
        (PresentedToken(NOW), "refuse"),
        (PresentedToken(NOW - timedelta(days=1), NOW - timedelta(days=9)), "refuse"),
        (PresentedToken(LATER, NOW), "repeat"),
        (PresentedToken(LATER, NOW - timedelta(seconds=10)), "repeat"),
        (PresentedToken(LATER, NOW - timedelta(seconds=11)), "revoke"),
        (PresentedToken(LATER, NOW - timedelta(days=20)), "revoke"),
    ],
)
def test_what_becomes_of_a_refresh_token(token: PresentedToken, verdict: str) -> None:
    assert judge_refresh(token, NOW) == verdict
