"""Webhooks over HTTP, from their registration to the received message."""

import base64
import hashlib
import hmac
from datetime import timedelta

import httpx
import msgspec
import pytest

from services.catalog.webhooks.webhook_sender import NotDelivered, WebhookSender
from shared.contracts import UserDeleted, stream_id
from shared.public_addresses import Reach
from tests.integration.catalog.receivers import Post, Receiver
from tests.integration.catalog.stage import Stage


async def test_a_feed_is_delivered_signed_and_in_order(
    stage: Stage, post: Post, receiver: Receiver
) -> None:
    user = await stage.user()
    await stage.settle()
    made = await stage.call("POST", "/webhooks", user, json={"url": receiver.url})
    assert made.status_code == 201
    webhook = made.json()["data"]
    assert made.headers["location"] == f"/api/v1/webhooks/{webhook['id']}"
    video = await stage.ready(user)
    await stage.ready(await stage.user())
    await stage.settle()

    assert await post.round() == 5
    assert await post.round() == 0

    assert receiver.types()[0] == "VideoUploaded"
    assert receiver.types()[-1] == "TranscodeCompleted"
    headers, body = receiver.received[0]
    event = msgspec.json.decode(body)
    assert (event["video_id"], headers["webhook-id"]) == (video, event["id"])
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(webhook["secret"].removeprefix("whsec_"))
    right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{right}"
    feed = (await stage.get("/events", user)).json()["data"]["data"]
    assert [msgspec.json.decode(body) for _, body in receiver.received] == feed[1:]

    shown = (await stage.get(f"/webhooks/{webhook['id']}", user)).json()["data"]
    assert "secret" not in shown
    assert shown["cursor"] == feed[-1]["cursor"]
    assert shown["delivered_at"]


async def test_a_failing_receiver_gets_each_event_in_the_end(
    stage: Stage, post: Post, receiver: Receiver
) -> None:
    user = await stage.user()
    await stage.settle()
    receiver.status = 500
    body = {"url": receiver.url, "types": ["VideoUploaded", "VideoBinned"], "after": ""}
    webhook = (await stage.call("POST", "/webhooks", user, json=body)).json()["data"]
    path = f"/webhooks/{webhook['id']}"
    video = await stage.ready(user)
    await stage.call("DELETE", f"/streaming/{video}", user)
    await stage.settle()

    for status in (500, 302):
        receiver.status = status
        assert await post.round() == 0
        assert await post.round() == 0, "not before its time"
        shown = (await stage.get(path, user)).json()["data"]
        assert shown["last_error"] == f"answered {status}"
        post.clock.ahead += timedelta(minutes=1)
    receiver.status = 200
    assert await post.round() == 2
    assert receiver.types() == ["VideoUploaded"] * 3 + ["VideoBinned"]

    again = {"after": ""}
    assert (await stage.call("PATCH", path, user, json=again)).status_code == 200
    assert await post.round() == 2

    receiver.status = 410
    await stage.call("PATCH", path, user, json=again)
    assert await post.round() == 0
    assert (await stage.get(path, user)).json()["data"]["active"] is False
    await stage.call("PATCH", path, user, json={"active": True})
    receiver.status = 200
    assert await post.round() == 2


async def test_a_clock_that_is_set_back_holds_no_webhook(
    stage: Stage, post: Post, receiver: Receiver
) -> None:
    user = await stage.user()
    receiver.status = 500
    made = await stage.call("POST", "/webhooks", user, json={"url": receiver.url})
    assert made.status_code == 201
    await stage.ready(user)
    await stage.settle()
    assert await post.round() == 0
    receiver.status = 200
    assert await post.round() == 0, "not before its time"
    post.clock.ahead -= timedelta(days=1)
    assert await post.round() > 0


async def test_webhooks_are_their_owners(stage: Stage, receiver: Receiver) -> None:
    user, other = await stage.user(), await stage.user()
    body = {"url": receiver.url}
    webhook = (await stage.call("POST", "/webhooks", user, json=body)).json()["data"]
    path = f"/webhooks/{webhook['id']}"

    assert (await stage.call("POST", "/webhooks", json=body)).status_code == 401
    assert (await stage.get("/webhooks")).status_code == 401
    for method, here, sent in (
        ("GET", path, None),
        ("PATCH", path, {"active": False}),
        ("DELETE", path, None),
        ("POST", f"{path}/secret", None),
    ):
        assert (await stage.call(method, here, json=sent)).status_code == 401
        assert (await stage.call(method, here, other, json=sent)).status_code == 404
    for bad in (
        {"url": "ftp://x/"},
        {"url": receiver.url, "types": ["Nonsense"]},
        {"url": receiver.url, "after": "nonsense"},
        {},
    ):
        assert (await stage.call("POST", "/webhooks", user, json=bad)).status_code == 400, bad

    rotated = (await stage.call("POST", f"{path}/secret", user)).json()["data"]
    assert rotated["secret"] != webhook["secret"]
    made = [await stage.call("POST", "/webhooks", user, json=body) for _ in range(10)]
    assert [response.status_code for response in made] == [201] * 9 + [400]
    assert len((await stage.get("/webhooks", user)).json()["data"]) == 10
    assert (await stage.call("DELETE", path, user)).status_code == 200
    assert (await stage.get(path, user)).status_code == 404


async def test_an_idempotency_key_makes_one_webhook(stage: Stage, receiver: Receiver) -> None:
    user, other = await stage.user(), await stage.user()
    key, body = {"idempotency-key": "k1"}, {"url": receiver.url}
    first, again = [
        await stage.call("POST", "/webhooks", user, json=body, headers=key) for _ in range(2)
    ]
    assert first.status_code == again.status_code == 201
    assert first.json()["data"]["secret"] == again.json()["data"]["secret"]
    assert first.headers["location"] == again.headers["location"]
    assert len((await stage.get("/webhooks", user)).json()["data"]) == 1

    changed = {**body, "types": ["VideoPlayable"]}
    refused = await stage.call("POST", "/webhooks", user, json=changed, headers=key)
    assert refused.status_code == 409
    assert refused.json()["error"]["type"] == "idempotency_key_reused"
    theirs = await stage.call("POST", "/webhooks", other, json=body, headers=key)
    assert theirs.status_code == 201
    assert theirs.headers["location"] != first.headers["location"]


async def test_a_deleted_account_is_sent_nothing(
    stage: Stage, post: Post, receiver: Receiver
) -> None:
    user = await stage.user()
    await stage.call("POST", "/webhooks", user, json={"url": receiver.url, "after": ""})
    await stage.record(stream_id("user", user), UserDeleted(user_id=user))
    await stage.settle()

    assert await post.round() == 0
    assert receiver.received == []
    assert await stage.query("select * from catalog.webhooks") == []


async def test_a_name_that_leads_into_our_network_is_not_called(receiver: Receiver) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        sender = WebhookSender(client, Reach())
        for url in (
            receiver.url,
            receiver.url.replace("http:", "https:"),
            "https://localhost.localdomain:1/",
            "https://nowhere.invalid/",
        ):
            with pytest.raises(NotDelivered):
                await sender.send(url, {}, b"{}")
    assert receiver.received == []
