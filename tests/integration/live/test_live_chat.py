"""Chats of running lives: who writes, and who may not; two replicas, one Redis, real routes."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from services.live.chat.rules import TooFast
from tests.integration.live.chat_stage import Opened, code
from tests.support.wait import eventually


async def test_viewers_of_two_replicas_read_each_other(opened: Opened) -> None:
    stage = await opened()
    async with stage.reading(at=0) as one, stage.reading("bob", at=1) as two:
        for at, text in enumerate(("Hello", "  Hi\nthere ", "<b>not bold</b> &amp; \u202fdata: x")):
            await stage.said("bob" if at % 2 else "cat", text, at % 2)
        await eventually(lambda: len(one.texts) == len(two.texts) == 3)
        assert one.texts == two.texts == ["Hello", "Hi there", "<b>not bold</b> &amp; data: x"]
        first = one.named("message")[0]
        assert (first["username"], first["user_id"]) == ("cat", "cat")
        assert one.named("settings") == [{"open": True, "slow_seconds": 0}]
    async with stage.reading(at=1, last=first["id"]) as back:
        await eventually(lambda: back.texts == one.texts[1:])
    async with stage.reading(at=1, last="junk") as new:
        await eventually(lambda: new.texts == one.texts)
    await eventually(lambda: [replica.readers for replica in stage.replicas] == [0, 0])


async def test_many_readers_are_one_reader_of_redis(opened: Opened) -> None:
    stage = await opened()
    async with AsyncExitStack() as stack:
        all_readers = [await stack.enter_async_context(stage.reading()) for _ in range(20)]
        clients = await stage.replicas[0].redis.client_list()
        await stage.said("bob", "Hello")
        await eventually(lambda: all(each.texts == ["Hello"] for each in all_readers))
        assert len(await stage.replicas[0].redis.client_list()) <= len(clients) + 2


@pytest.mark.parametrize(
    "text", ["", " ", "\u200b", "x" * 301, "a\x00b", "a\u202eb", "e\u2066", 5, None, "x" * 5000]
)
async def test_what_breaks_a_rule_is_refused(opened: Opened, text: Any) -> None:
    stage = await opened()
    answer = await stage.say("bob", text)
    assert answer.status_code == 400
    assert (await stage.say(None, "Hello")).status_code == 401


async def test_one_user_one_address_and_one_chat_have_rates(opened: Opened) -> None:
    stage = await opened()
    answers = [await stage.say("bob", f"{at}", at % 2) for at in range(12)]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert refused
    assert code(refused[0]) == (429, "chat_too_fast")
    assert int(refused[0].headers["retry-after"]) >= 1
    # Elsewhere, and as somebody else, there is room.
    elsewhere = {"headers": {"x-cinelog-client": "198.51.100.1"}}
    assert (await stage.say("eve", "Hi", **elsewhere)).status_code == 201
    # Many accounts of one address.
    log = stage.keeping._log
    taken = await asyncio.gather(
        *(log.take(stage.video_id, f"user-{at}", "203.0.113.7", 0) for at in range(50)),
        return_exceptions=True,
    )
    assert any(isinstance(each, TooFast) for each in taken)
    # Many accounts of many addresses.
    taken = await asyncio.gather(
        *(log.take(stage.video_id, f"crowd-{at}", f"198.51.100.{at}", 0) for at in range(150)),
        return_exceptions=True,
    )
    assert any(isinstance(each, TooFast) for each in taken)
    assert None in taken


async def test_slow_mode(opened: Opened) -> None:
    stage = await opened()
    async with stage.reading(at=1) as reader:
        answer = await stage.call("PATCH", "", "ann", json={"slow_seconds": 60})
        assert answer.json()["data"]["slow_seconds"] == 60
        await eventually(lambda: {"open": True, "slow_seconds": 60} in reader.named("settings"))
    await stage.said("bob", "One")
    answer = await stage.say("bob", "Two", 1)
    assert code(answer) == (429, "chat_slow_mode")
    assert 0 < int(answer.headers["retry-after"]) <= 60
    await stage.said("cat", "Mine")
    for text in ("The owner", "is not slow"):
        await stage.said("ann", text)
    for wrong in ({"slow_seconds": -1}, {"slow_seconds": 301}, {"x": 1}):
        assert (await stage.call("PATCH", "", "ann", json=wrong)).status_code == 400


async def test_messages_are_removed_by_the_owner_and_by_their_authors(opened: Opened) -> None:
    stage = await opened()
    mine, yours, third = [await stage.said("bob", text) for text in ("a", "b", "c")]
    async with stage.reading(at=1) as reader:
        assert code(await stage.call("DELETE", f"/messages/{mine}", "cat")) == (
            403,
            "chat_not_owner",
        )
        assert (await stage.call("DELETE", f"/messages/{mine}", "bob")).status_code == 204
        assert (await stage.call("DELETE", f"/messages/{yours}", "ann", 1)).status_code == 204
        await eventually(lambda: [each["id"] for each in reader.named("removed")] == [mine, yours])
        for gone in (mine, "1-1", "99999999999999-0"):
            answer = await stage.call("DELETE", f"/messages/{gone}", "ann")
            assert code(answer) == (404, "chat_message_not_found")
    for at in (0, 1):
        async with stage.reading(at=at) as late:
            await eventually(lambda late=late: late.texts == ["c"])
    # Whoever had seen them is told.
    async with stage.reading(last=third) as back:
        await eventually(lambda: len(back.named("removed")) == 2)


async def test_who_is_banned_learns_it_at_once_and_nobody_else(opened: Opened) -> None:
    stage = await opened()
    await stage.said("bob", "spam")
    async with stage.reading("bob", 1) as bob, stage.reading("cat") as cat, stage.reading() as one:
        assert (await stage.call("PUT", "/bans/bob", "ann", json={})).status_code == 204
        await eventually(lambda: bob.named("ban") == [{"banned": True}])
        assert (await stage.call("DELETE", "/bans/bob", "ann")).status_code == 204
        await eventually(lambda: bob.named("ban") == [{"banned": True}, {"banned": False}])
        await stage.said("bob", "Back")
        for other in (cat, one):
            await eventually(lambda other=other: other.texts[-1:] == ["Back"])
            assert other.named("ban") == []


async def test_bans_for_a_live_and_for_good(opened: Opened) -> None:
    stage = await opened()
    await stage.said("bob", "spam")
    await stage.said("cat", "Hello")
    for_good = {"json": {"for_good": True}}
    assert code(await stage.call("PUT", "/bans/bob", "cat", json={}))[0] == 403
    assert (await stage.call("PUT", "/bans/nobody", "ann", json={})).status_code == 404
    assert (await stage.call("PUT", "/bans/ann", "ann", json={})).status_code == 404
    assert (await stage.call("PUT", "/bans/bob", "ann", json={})).status_code == 204
    assert code(await stage.say("bob", "again", 1)) == (403, "chat_banned")
    assert (await stage.call("GET", "", "bob")).json()["data"]["banned"] is True
    async with stage.reading(at=1) as reader:
        await eventually(lambda: reader.texts == ["Hello"])
    (ban,) = (await stage.call("GET", "/bans", "ann")).json()["data"]
    assert (ban["user_id"], ban["username"], ban["for_good"]) == ("bob", "bob", False)
    assert code(await stage.call("GET", "/bans", "bob"))[0] == 403
    assert (await stage.call("DELETE", "/bans/bob", "ann")).status_code == 204
    await stage.said("bob", "Back")
    assert (await stage.call("PUT", "/bans/bob", "ann", **for_good)).status_code == 204
    first = stage.video_id
    await stage.end()
    await stage.start(title="Another")
    assert stage.video_id != first
    assert code(await stage.say("bob", "Hi")) == (403, "chat_banned")
    await stage.said("cat", "Hi")


async def test_a_closed_chat_is_read_only_and_another_has_none(opened: Opened) -> None:
    stage = await opened()
    await stage.said("bob", "Hello")
    answer = await stage.call("PATCH", "", "ann", json={"open": False})
    assert answer.json()["data"]["state"] == "closed"
    assert code(await stage.say("bob", "Hi")) == (409, "chat_closed")
    await stage.said("ann", "Closed")
    async with stage.reading(at=1) as reader:
        await eventually(lambda: reader.texts == ["Hello", "Closed"])
        async with stage.live.client() as client:
            await client.patch(f"/api/v1/live/streams/{stage.live_id}", json={"chat": False})
        await eventually(lambda: reader.over)
        assert reader.named("end") == [{"reason": "off"}]
    assert (await stage.call("GET", "")).json()["data"]["state"] == "off"
    assert code(await stage.say("ann", "Hi")) == (409, "chat_off")
    assert code(await stage.call("GET", "/events")) == (409, "chat_off")


async def test_an_idempotency_key_writes_once(opened: Opened) -> None:
    stage = await opened()
    headers = {"idempotency-key": "one"}
    first = await stage.say("bob", "Hello", headers=headers)
    again = await stage.say("bob", "Hello", 1, headers=headers)
    assert first.json()["data"] == again.json()["data"]
    assert code(await stage.say("bob", "Other", headers=headers)) == (409, "idempotency_key_reused")
    await stage.say("cat", "Hello", headers=headers)
    async with stage.reading() as reader:
        await eventually(lambda: reader.texts == ["Hello", "Hello"])
