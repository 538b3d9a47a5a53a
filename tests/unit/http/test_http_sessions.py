"""A session has ended as soon as the log says so."""

import pytest

from shared.contracts import (
    EmailChanged,
    Event,
    SessionRevoked,
    UserDeleted,
    UserRegistered,
    stream_id,
)
from shared.event_store.memory import MemoryEventStore
from shared.event_store.store import Metadata, NewEvent, Unreadable
from shared.http.access_tokens import InvalidToken, Principal
from shared.http.sessions import Sessions


def caller(user: str, session: str) -> Principal:
    return Principal(user, user, session, "token", 2e9)


ANN, ANN_TOO, BOB = caller("ann", "one"), caller("ann", "two"), caller("bob", "three")
REVOKED = SessionRevoked(user_id="ann", session_id="one", reason="logout")


async def append(store: MemoryEventStore, user: str, *events: Event) -> None:
    stream = stream_id("user", user)
    version = len((await store.read_after({stream: 0})).get(stream, ()))
    await store.append(stream, version, [NewEvent(event) for event in events], Metadata())


async def test_a_session_ends_with_its_revocation_and_no_other() -> None:
    store = MemoryEventStore()
    sessions = Sessions(store)
    await append(store, "ann", UserRegistered(user_id="ann", username="ann"))
    assert await sessions.ended([ANN, ANN_TOO, BOB]) == set()
    await append(store, "ann", EmailChanged(user_id="ann"), REVOKED)
    assert await sessions.ended([ANN, ANN_TOO, BOB]) == {ANN}
    # It is remembered: nothing of it is read again.
    assert await sessions.ended([ANN, ANN_TOO, BOB]) == {ANN}
    with pytest.raises(InvalidToken):
        await sessions.require_open(ANN)
    await sessions.require_open(ANN_TOO)


async def test_all_sessions_end_with_the_account() -> None:
    store = MemoryEventStore()
    sessions = Sessions(store)
    await sessions.require_open(ANN)
    await append(store, "ann", UserDeleted(user_id="ann"))
    assert await sessions.ended([ANN, ANN_TOO, BOB]) == {ANN, ANN_TOO}


async def test_events_of_a_newer_version_lock_nobody_out() -> None:
    store = MemoryEventStore()
    await append(store, "ann", Unreadable(reason="newer"), REVOKED)
    assert await Sessions(store).ended([ANN, ANN_TOO]) == {ANN}


async def test_nobody_is_asked_for_nobody() -> None:
    class Silent:
        async def read_after(self, versions: object) -> dict[str, list[object]]:
            raise AssertionError(versions)

    assert await Sessions(Silent()).ended([]) == set()  # pyright: ignore[reportArgumentType]
