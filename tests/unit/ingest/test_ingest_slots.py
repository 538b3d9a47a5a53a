"""Slots for uploads: how many, whose, and in which order."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest

from services.ingest.handlers.limits import Limits
from services.ingest.handlers.upload_slots import (
    SMALL,
    SMALL_AT_ONCE,
    WAITING_PER_USER,
    TooManyOfYourUploads,
    TooManyUploads,
    UploadSlots,
)
from shared.contracts import UploadProtocol
from tests.support.wait import eventually


class Counted:
    """Implements ``ports.Metrics``."""

    def __init__(self) -> None:
        self.refusals: list[str] = []

    def stored(self, size: int) -> None: ...

    def ended(self, protocol: UploadProtocol, outcome: str) -> None: ...

    def refused(self, reason: str) -> None:
        self.refusals.append(reason)


def slots(at_once: int = 64, per_user: int = 8) -> tuple[UploadSlots, Counted]:
    counted = Counted()
    return UploadSlots(Limits(max_bytes=1, at_once=at_once, per_user=per_user), counted), counted


async def test_a_user_has_eight_and_the_process_sixty_four():
    found, counted = slots()
    async with AsyncExitStack() as held:
        for user in "abcdefgh":
            for _ in range(8):
                await held.enter_async_context(found.hold(user, None))
            with pytest.raises(TooManyOfYourUploads):
                await held.enter_async_context(found.hold(user, SMALL + 1))
        with pytest.raises(TooManyUploads):
            await held.enter_async_context(found.hold("i", SMALL + 1))
        assert found.receiving == 64
        # Small ones have their own.
        async with found.hold("a", SMALL):
            assert found.receiving == 65
    assert found.receiving == 0
    assert counted.refusals == ["user"] * 8 + ["process"]


async def test_accounts_of_one_address_leave_slots_to_others():
    found, counted = slots()
    async with AsyncExitStack() as held:
        for number in range(48):
            await held.enter_async_context(found.hold(f"user-{number}", None, "192.0.2.1"))
        with pytest.raises(TooManyOfYourUploads):
            await held.enter_async_context(found.hold("another", None, "192.0.2.1"))
        async with found.hold("somebody", None, "192.0.2.2"), found.hold("joins", None):
            assert found.receiving == 50
    assert counted.refusals == ["address"]
    # Each slot came back.
    async with found.hold("another", None, "192.0.2.1"):
        assert found.receiving == 1


async def test_small_ones_wait_and_users_take_turns():
    found, _ = slots(per_user=SMALL_AT_ONCE)
    order: list[str] = []
    go_on = asyncio.Event()

    async def upload(user: str) -> None:
        async with found.hold(user, 14_000):
            order.append(user)
            await go_on.wait()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(100):
            tasks.create_task(upload("eve"))
        await eventually(lambda: found.waiting == 100 - SMALL_AT_ONCE)
        for user in ("ann", "bob"):
            for _ in range(2):
                tasks.create_task(upload(user))
        await eventually(lambda: found.waiting == 104 - SMALL_AT_ONCE)
        go_on.set()
    assert len(order) == 104
    later = order[SMALL_AT_ONCE:]
    assert {"ann", "bob"} <= set(later[:3])
    assert later.index("ann", later.index("ann") + 1) < 6
    assert found.receiving == found.waiting == 0


async def test_a_queue_is_bounded_per_user():
    found, counted = slots()
    async with AsyncExitStack() as held:
        for _ in range(8):
            await held.enter_async_context(found.hold("eve", 1))
        waiting = [asyncio.create_task(found.hold("eve", 1).__aenter__()) for _ in range(300)]
        await eventually(lambda: sum(task.done() for task in waiting) == 300 - WAITING_PER_USER)
        assert counted.refusals == ["user"] * (300 - WAITING_PER_USER)
        async with found.hold("bob", 1):
            pass
        for task in waiting:
            task.cancel()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(result) for result in results} == {
            asyncio.CancelledError,
            TooManyOfYourUploads,
        }
        assert found.waiting == 0
    assert found.receiving == 0


class Sent:
    """A body, slow or not."""

    length = None
    address = None

    def __init__(self, slow: bool) -> None:
        self.slow = slow
        self.displaced = False

    def displace(self) -> None:
        self.displaced = True


async def test_a_slow_upload_of_who_has_more_is_ended_for_who_has_fewer():
    found, counted = slots(at_once=8)
    async with AsyncExitStack() as held:

        async def take(user: str, address: str, *, slow: bool) -> Sent:
            body = Sent(slow)
            await held.enter_async_context(found.hold(user, None, address, cast("Any", body)))
            return body

        crowd = [await take(f"eve-{n}", f"address-{n % 2}", slow=True) for n in range(6)]
        fast = [await take("fay", f"address-{n}", slow=False) for n in range(2)]
        # Each address has four: the third and the fourth of another address are not refused.
        for n in range(2):
            await take("bob", "elsewhere", slow=True)
            assert sum(body.displaced for body in crowd) == n + 1
        assert not any(body.displaced for body in fast)
        assert counted.refusals == []
    assert found.receiving == 0


async def test_nobody_is_ended_for_who_has_as_many_and_none_that_is_fast():
    for slow, addresses in ((True, 8), (False, 2)):
        found, counted = slots(at_once=8)
        async with AsyncExitStack() as held:
            bodies = [Sent(slow) for _ in range(8)]
            for n, body in enumerate(bodies):
                address = f"address-{n % addresses}"
                await held.enter_async_context(
                    found.hold(f"u{n}", None, address, cast("Any", body))
                )
            with pytest.raises((TooManyUploads, TooManyOfYourUploads)):
                async with found.hold("bob", None, "elsewhere", cast("Any", Sent(True))):
                    pass
            assert not any(body.displaced for body in bodies)
            assert counted.refusals == ["process"]


async def test_a_slot_that_comes_too_late_goes_to_the_next():
    found, _ = slots(per_user=1)
    first = found.hold("eve", 1)
    await first.__aenter__()
    second = asyncio.create_task(found.hold("eve", 1).__aenter__())
    await eventually(lambda: found.waiting == 1)
    await first.__aexit__(None, None, None)
    # The slot is given, and its task is cancelled before it runs.
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert found.receiving == 0
    async with found.hold("eve", 1):
        pass
