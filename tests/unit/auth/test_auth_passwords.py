"""Passwords: hashing, what is refused, and that nobody waits without end."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from services.auth import passwords
from services.auth.domain import WeakPassword
from services.auth.passwords import CommonPasswords, Passwords
from shared.errors import TooManyRequests, Unavailable
from shared.turns import Turns

COMMON = CommonPasswords()


@pytest.fixture
def hasher() -> Iterator[Passwords]:
    cheap = Passwords(memory_kib=64, iterations=1)
    yield cheap
    cheap.close()


async def test_a_hash_verifies_its_password_only(hasher: Passwords) -> None:
    stored = await hasher.hash("corduroy lamp", "ann")
    assert stored.startswith("$argon2id$")
    assert await hasher.verify(stored, "corduroy lamp", "ann")
    assert not await hasher.verify(stored, "corduroy lamp ", "ann")
    assert not await hasher.verify(None, "corduroy lamp", "ann")
    assert not await hasher.verify("not a hash", "corduroy lamp", "ann")


async def test_hashes_grow_with_the_parameters(hasher: Passwords) -> None:
    stored = await hasher.hash("corduroy lamp", "ann")
    assert not hasher.outdated(stored)
    stronger = Passwords(memory_kib=128, iterations=1)
    try:
        assert stronger.outdated(stored)
        assert await stronger.verify(stored, "corduroy lamp", "ann")
    finally:
        stronger.close()


async def test_the_parameters_are_owasps() -> None:
    real = Passwords()
    try:
        assert "$m=19456,t=2,p=1$" in await real.hash("corduroy lamp", "ann")
    finally:
        real.close()


async def test_a_flood_is_told_to_come_back(
    hasher: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "WAITING", 2)
    hasher._turns = Turns(2, 1)
    answers = await asyncio.gather(
        *(hasher.hash("corduroy lamp", f"user {n}") for n in range(6)), return_exceptions=True
    )
    assert sum(isinstance(answer, str) for answer in answers) == 4
    assert sum(isinstance(answer, Unavailable) for answer in answers) == 2
    assert await hasher.hash("corduroy lamp", "ann")


@pytest.mark.parametrize("threads", [1, 2])
async def test_who_sends_many_waits_for_itself(
    hasher: Passwords, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    hasher._turns = Turns(threads, 1)
    begun: list[str] = []
    submit = hasher._threads.submit

    def noted(function: Callable[[str], str], password: str) -> Future[str]:
        begun.append(password)
        return submit(function, password)

    monkeypatch.setattr(hasher._threads, "submit", noted)
    flood = [asyncio.create_task(hasher.hash("a flood", "mallory")) for _ in range(20)]
    await asyncio.sleep(0)
    await hasher.hash("corduroy lamp", "ann")
    assert begun.index("corduroy lamp") <= 2
    answers = await asyncio.gather(*flood, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, TooManyRequests)]
    assert len(refused) == 20 - 1 - passwords.WAITING_PER_CALLER


@pytest.mark.parametrize("good", ["corduroy-9-lamp", "пароль-из-слов", "a b c d e f", "abc" * 85])
def test_what_is_accepted(good: str) -> None:
    COMMON.check(good, username="alice", email="alice@example.org")


@pytest.mark.parametrize(
    "weak",
    ["", "short", "password", "PassWord", "12345678", "qwertyuiop", "aaaaaaaaaa", "abababababab",
     "alice1990", "Alice1990@example.org", "x1y2" * 65],
)  # fmt: skip
def test_what_is_refused(weak: str) -> None:
    with pytest.raises(WeakPassword) as raised:
        COMMON.check(weak, username="alice1990", email="alice1990@example.org")
    assert raised.value.details[0].field == "password"
