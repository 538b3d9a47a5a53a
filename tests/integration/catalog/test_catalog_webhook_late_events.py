"""Events that come into a feed behind what webhooks have delivered already."""

from typing import Any

import msgspec
import pytest

from services.catalog.read_model.projections import Library
from services.catalog.read_model.rebuild import Rebuild
from services.catalog.webhooks.webhooks import Webhook
from shared.contracts import DetailsChanged, TagsAdded, stream_id
from shared.database.connect import create_engine
from shared.event_store.projections.parking import redrive
from tests.integration.catalog.receivers import Post, Receiver
from tests.integration.catalog.stage import Stage


async def hook(stage: Stage, receiver: Receiver, user: str) -> str:
    made = await stage.call("POST", "/webhooks", user, json={"url": receiver.url})
    return str(made.json()["data"]["id"])


async def park(stage: Stage, user: str) -> str:
    """A video of which three events are parked."""
    video = await stage.upload(user)
    await stage.settle()
    await stage.query("alter table catalog.videos add constraint never check (title <> 'Bad')")
    for title in ("Bad", "Good"):
        changed = DetailsChanged(video_id=video, title=title, description="")
        await stage.record(stream_id("video", video), changed)
        # In one batch only the last title would be written.
        await stage.settle()
    await stage.record(stream_id("video", video), TagsAdded(video_id=video, tags=("sea",)))
    await stage.settle()
    assert len(await stage.query("select * from catalog.parked_events")) == 3
    return video


async def apply_parked(stage: Stage, how: str) -> None:
    await stage.query("alter table catalog.videos drop constraint if exists never")
    if how == "redrive":
        assert (await redrive(stage.engine, stage.store, Library(), "catalog")).left == 0
        return
    owner = create_engine(stage.database.admin_url, size=4)
    await Rebuild(owner, stage.store, lambda *_: None).run(swap=True)
    await owner.dispose()


def of(receiver: Receiver, video: str) -> list[str]:
    events = [msgspec.json.decode(body) for _, body in receiver.received]
    return [event["type"] for event in events if event["video_id"] == video]


@pytest.mark.parametrize("how", ["redrive", "rebuild"])
async def test_parked_events_are_delivered_once_they_are_applied(
    stage: Stage, post: Post, receiver: Receiver, how: str
) -> None:
    user, other = await stage.user(), await stage.user()
    await stage.settle()
    await hook(stage, receiver, user)
    await hook(stage, receiver, other)
    late = await park(stage, user)
    await stage.ready(user)
    await stage.ready(other)
    await stage.settle()
    await post.round()
    assert await post.round() == 0
    assert of(receiver, late) == ["VideoUploaded"]
    receiver.received.clear()

    await apply_parked(stage, how)

    # Three late ones, and once more what of this user's came after them.
    assert await post.round() == 3 + 5
    assert of(receiver, late) == ["DetailsChanged", "DetailsChanged", "TagsAdded"]
    assert receiver.types()[:3] == of(receiver, late)
    assert await post.round() == 0


async def test_a_webhook_gets_no_late_event_from_before_it_was_made(
    stage: Stage, post: Post, receiver: Receiver
) -> None:
    user = await stage.user()
    await park(stage, user)
    await stage.ready(user)
    await stage.settle()
    await hook(stage, receiver, user)
    await apply_parked(stage, "redrive")
    assert await post.round() == 0


async def test_a_webhook_that_was_given_up_gets_late_events_when_it_is_active_again(
    stage: Stage, post: Post, receiver: Receiver
) -> None:
    user = await stage.user()
    await stage.settle()
    path = f"/webhooks/{await hook(stage, receiver, user)}"
    late = await park(stage, user)
    await stage.ready(user)
    await stage.settle()
    await post.round()
    receiver.received.clear()
    await stage.call("PATCH", path, user, json={"active": False})
    await apply_parked(stage, "redrive")
    assert await post.round() == 0
    await stage.call("PATCH", path, user, json={"active": True})
    await post.round()
    assert of(receiver, late) == ["DetailsChanged", "DetailsChanged", "TagsAdded"]


async def test_a_delivery_under_way_does_not_pass_over_late_events(
    stage: Stage, post: Post, receiver: Receiver
) -> None:
    user = await stage.user()
    await stage.settle()
    await hook(stage, receiver, user)
    late = await park(stage, user)
    await post.round()
    video = await stage.upload(user)
    await stage.settle()
    receiver.received.clear()
    sent: list[Any] = []

    async def slow(before: Webhook, after: Webhook) -> bool:
        """The events are applied between the message and the note that it was taken."""
        if not sent:
            sent.append(after)
            await apply_parked(stage, "redrive")
        return await type(post.webhooks).save_result(post.webhooks, before, after)

    post.webhooks.save_result = slow  # type: ignore[method-assign]
    await post.round()
    await post.round()
    assert len(of(receiver, late)) == 3
    assert of(receiver, video) == ["VideoUploaded"] * 2
