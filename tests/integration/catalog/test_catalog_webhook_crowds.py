"""Nobody's webhooks delay another's: idle, slow and broken receivers, long feeds."""

import asyncio

from sqlalchemy import insert, text

from services.catalog.tables import webhooks
from shared.contracts import new_id
from tests.integration.catalog.receivers import Post, Receiver, listening
from tests.integration.catalog.stage import Stage
from tests.support.wait import eventually


async def add_many(stage: Stage, url: str, users: int, each: int) -> list[str]:
    """Webhooks that want everything from the beginning; the ids of their users."""
    owners = [new_id() for _ in range(users)]
    rows = [
        {"id": new_id(), "user_id": owner, "url": url, "types": [], "position": 0}
        | {"active": True, "generation": 1, "failures": 0}
        for owner in owners
        for _ in range(each)
    ]
    async with stage.engine.begin() as connection:
        now = (await connection.execute(text("select now()"))).scalar_one()
        times = {"next_attempt_at": now, "created_at": now}
        await connection.execute(insert(webhooks), [row | times for row in rows])
    return owners


async def add_own(stage: Stage, url: str) -> str:
    user = await stage.user()
    await stage.settle()
    made = await stage.call("POST", "/webhooks", user, json={"url": url})
    assert made.status_code == 201
    return user


async def test_idle_webhooks_cost_no_delivery(stage: Stage, post: Post, receiver: Receiver) -> None:
    await add_many(stage, receiver.url, 200, 5)
    pending = "select count(*) as many from catalog.webhooks where pending_at is not null"
    # They are new: each is looked at once.
    for _ in range(3):
        assert await post.round() == 0
    assert await stage.query(pending) == [{"many": 0}]
    user = await add_own(stage, receiver.url)
    await post.round()
    await stage.upload(user)
    await stage.settle()
    assert await stage.query(pending) == [{"many": 1}]
    assert await post.round() == 1
    assert await stage.query(pending) == [{"many": 0}]


async def test_silent_and_broken_receivers_delay_no_other(
    stage: Stage, post: Post, receiver: Receiver
) -> None:
    async with (
        listening(None) as silent,
        listening(b"HTTP/1.1 302 X\r\nlocation: http:x\r\ncontent-length: 0\r\n\r\n") as broken,
        listening(b"nonsense\r\n\r\n") as nonsense,
    ):
        for url, users in ((silent, 40), (broken, 5), (nonsense, 5)):
            for owner in await add_many(stage, url, users, 10):
                await stage.upload(owner)
        user = await add_own(stage, receiver.url)
        await stage.upload(user)
        await stage.settle()
        await post.delivery.round()
        await eventually(lambda: len(receiver.received) == 1)
        # The next event of the same person does not wait for the silent ones either.
        await stage.upload(user)
        await stage.settle()

        async def delivered() -> bool:
            await post.delivery.round()
            return len(receiver.received) == 2

        await eventually(delivered)
        failed = (
            "select count(*) as many from catalog.webhooks where failures > 0"
            " and last_error like 'no answer %%' and next_attempt_at > now() and position = 0"
        )

        async def recorded() -> bool:
            return (await stage.query(failed))[0]["many"] >= 100

        await eventually(recorded)


async def test_one_persons_webhooks_take_few_places(
    stage: Stage, post: Post, receiver: Receiver
) -> None:
    async with listening(None) as silent:
        (owner,) = await add_many(stage, silent, 1, 10)
        await stage.upload(owner)
        await stage.settle()
        await post.delivery.round()
        busy = [task for task in asyncio.all_tasks() if task.get_name().startswith("deliver web")]
        assert len(busy) == 8


async def test_events_that_are_not_wanted_are_passed_over(
    stage: Stage, post: Post, receiver: Receiver
) -> None:
    user = await stage.user()
    await stage.settle()
    body = {"url": receiver.url, "types": ["TranscodeCompleted"]}
    webhook = (await stage.call("POST", "/webhooks", user, json=body)).json()["data"]
    for _ in range(20):
        await stage.upload(user)
    await stage.settle()
    # A failure of an earlier event does not slow it down.
    await stage.query("update catalog.webhooks set failures = 1 returning id")
    assert await post.round() == 0
    feed = (await stage.get("/events?page_size=50", user)).json()["data"]["data"]
    shown = (await stage.get(f"/webhooks/{webhook['id']}", user)).json()["data"]
    assert shown["cursor"] == feed[-1]["cursor"]


async def test_an_event_that_comes_while_the_last_is_delivered_is_not_forgotten(
    stage: Stage, post: Post, receiver: Receiver
) -> None:
    user = await add_own(stage, receiver.url)
    await stage.upload(user)
    await stage.settle()
    (before,) = await post.webhooks.of_user(user)
    await stage.upload(user)
    await stage.settle()
    # As if the feed had been read before the second event.
    await post.webhooks.drained(before)
    assert await post.round() == 2


async def test_events_that_nobody_announced_are_found(
    stage: Stage, post: Post, receiver: Receiver
) -> None:
    """An older version's projector does not announce them."""
    user = await add_own(stage, receiver.url)
    await stage.upload(user)
    await stage.settle()
    await stage.query("update catalog.webhooks set pending_at = null returning id")
    assert await post.round() == 1
