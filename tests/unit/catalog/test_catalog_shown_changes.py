"""Gateways are told of every change of an answer that they may have kept."""

import asyncio
import copy
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from services.catalog.event_tail.shown_changes import LISTS, Shown, ShownChanges, changed_by
from services.catalog.read_model.folding import Fold
from services.catalog.rows import VideoRow
from shared.contracts import (
    SHOWN_TO_OTHERS,
    DetailsChanged,
    Event,
    TranscodeProgressed,
    UserDeleted,
    UserRegistered,
    ViewsCounted,
    stream_id,
)
from shared.event_store.store import SequencedEvent
from tests.support.catalog_stories import recorded
from tests.support.sequenced import sequenced

VIDEO, OTHER, USER = "v-1", "v-2", "u-1"
EDITED = DetailsChanged(video_id=VIDEO, title="New", description="")
# Views are shown before they are in the row, and the rest is not in an answer, or is its time only.
NOT_SHOWN = ("updated_at", "views", "search")


def about(video: str, *events: Event) -> list[SequencedEvent]:
    """The events of a video, from position 1 on."""
    return sequenced(
        [(stream_id("video", video), event) for event in events], datetime(2026, 1, 1, tzinfo=UTC)
    )


def later(event: SequencedEvent, position: int) -> SequencedEvent:
    return msgspec.structs.replace(event, position=position)


def views(count: int) -> ViewsCounted:
    return ViewsCounted(video_id=VIDEO, batch_id=f"b{count}", count=count)


async def now(changes: ShownChanges, position: int) -> Shown:
    return await changes.after(position, 0)


def seen(row: VideoRow | None) -> dict[str, Any] | None:
    """What others see of a video; None where they see none."""
    if row is None or row.visibility not in SHOWN_TO_OTHERS:
        return None
    fields = msgspec.structs.asdict(row)
    return {name: value for name, value in fields.items() if name not in NOT_SHOWN}


@pytest.mark.parametrize("seed", range(40))
def test_whatever_others_see_changed_is_told(seed: int) -> None:
    fold = Fold()
    for event in recorded(seed, 120):
        before = copy.deepcopy(fold.videos)
        fold.apply(event)
        different = {
            id_
            for id_ in before.keys() | fold.videos.keys()
            if seen(before.get(id_)) != seen(fold.videos.get(id_))
        }
        told = changed_by(event)
        if None not in told:
            assert different <= set(told), event
            assert not different or LISTS in told, event


async def test_who_asks_gets_what_has_changed_since() -> None:
    changes = ShownChanges()
    for event in about(VIDEO, EDITED, views(1)):
        changes.add(event)
    assert await now(changes, 0) == Shown(2, [LISTS, VIDEO])
    assert await now(changes, 1) == Shown(2, [])
    changes.add(later(about(OTHER, EDITED)[0], 3))
    assert await now(changes, 2) == Shown(3, [LISTS, OTHER])


async def test_who_waits_is_told_at_once_and_not_of_what_nobody_sees() -> None:
    changes = ShownChanges()
    waiting = asyncio.create_task(changes.after(0, 60))
    progress = TranscodeProgressed(video_id=VIDEO, attempt=1, stage="encoding", percent=5.0)
    unseen, seen_ = about(VIDEO, progress, EDITED)
    changes.add(unseen)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    changes.add(seen_)
    assert await waiting == Shown(2, [LISTS, VIDEO])


async def test_what_is_not_known_any_more_is_everything() -> None:
    changes = ShownChanges(most=4)
    for position in range(1, 8):
        changes.add(later(about(VIDEO, EDITED)[0], position))
    assert (await now(changes, 0)).everything
    assert not (await now(changes, 6)).everything
    changes.begin(50)
    answer = await now(changes, 7)
    assert (answer.position, answer.everything) == (50, True)


async def test_events_that_were_left_out_are_everything() -> None:
    """A reader that begins in the middle of the log knows nothing of what was before."""
    changes = ShownChanges()
    changes.add(later(about(VIDEO, EDITED)[0], 9))
    assert (await now(changes, 3)).everything
    assert not (await now(changes, 8)).everything


async def test_a_replica_that_is_behind_waits_before_it_says_everything() -> None:
    changes = ShownChanges()
    changes.begin(5)
    waiting = asyncio.create_task(changes.after(6, 60))
    await asyncio.sleep(0)
    changes.add(later(about(OTHER, EDITED)[0], 6))
    assert await waiting == Shown(6, [])
    assert (await now(changes, 7)).everything


def test_a_deleted_account_is_in_any_answer() -> None:
    deleted, registered = sequenced(
        [
            (stream_id("user", USER), UserDeleted(user_id=USER)),
            (stream_id("user", USER), UserRegistered(user_id=USER, username="ada")),
        ],
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert list(changed_by(deleted)) == [None]
    assert list(changed_by(registered)) == []


def test_events_are_read_for_a_minute_after_a_question() -> None:
    clock = [100.0]
    changes = ShownChanges(lambda: clock[0])
    assert not changes.wanted
    asyncio.run(now(changes, 0))
    assert changes.wanted
    clock[0] += 60
    assert not changes.wanted
