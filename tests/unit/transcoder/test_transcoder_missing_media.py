"""Given a completed video, when objects are gone, then just what they need is done again."""

import random

import pytest

from services.transcoder.coordinator.media_objects import referenced, required
from services.transcoder.coordinator.missing_media import (
    expected_keys,
    media_lost,
    unfinished_tasks,
)
from services.transcoder.domain.decisions import Cancel, NotCancellable, RecordEvent, decide
from services.transcoder.domain.state import Transcode, is_complete
from shared.contracts import (
    Event,
    MediaLost,
    MediaRepairFailed,
    MediaRestored,
    TranscodeCompleted,
    TranscodeFailed,
)
from tests.unit.transcoder.facts_about import (
    COMPLETED,
    IMAGES,
    after,
    audio_encoded,
    chunk_encoded,
    plan,
)

PLAN = plan()
MADE: list[Event] = [
    PLAN,
    chunk_encoded(PLAN, 0, "240p"),
    chunk_encoded(PLAN, 0, "360p"),
    *(chunk_encoded(PLAN, chunk.index, "360p", "240p") for chunk in PLAN.chunks[1:]),
    audio_encoded(0, 5, complete=True),
    IMAGES,
]
DONE = after(*MADE, COMPLETED)


def lost(*keys: str, state: Transcode = DONE) -> MediaLost:
    event = media_lost("v", state, set(keys))
    assert event is not None
    return event


def test_nothing_is_lost_that_nobody_wants() -> None:
    assert media_lost("v", DONE, {"v/a1/240p/00000-other.mp4", "w/master.m3u8"}) is None
    assert media_lost("v", after(*MADE), {"v/master.m3u8"}) is None


@pytest.mark.parametrize(
    ("keys", "tasks"),
    [
        (("v/a1/240p/00000.mp4",), ("chunk-00000-240p",)),
        (("v/a1/360p/00000.mp4",), ("chunk-00000-360p",)),
        (("v/a1/360p/00001.mp4",), ("chunk-00001-240p",)),
        # One chunk brings the beginning of all of them back.
        (("v/a1/360p/init.mp4",), ("chunk-00000-360p",)),
        (("v/a1/audio-0/00000.mp4",), ("audio-0",)),
        (("v/a1/audio-0/init.mp4",), ("audio-0",)),
        (("v/a1/poster.webp",), ("images",)),
        (("v/a1/storyboard/00001.webp",), ("chunk-00001-240p",)),
        (("v/master.m3u8", "v/a1/240p.m3u8"), ()),
    ],
)
def test_each_loss_has_its_remedy(keys: tuple[str, ...], tasks: tuple[str, ...]) -> None:
    event = lost(*keys)
    assert event.tasks == tasks
    assert set(event.keys) == set(keys)


def test_everything_that_is_wanted_has_a_remedy() -> None:
    state = after(*MADE, COMPLETED, lost(*expected_keys("v", DONE)))
    assert set(unfinished_tasks(state)) == set(unfinished_tasks(after(PLAN)))


def test_what_is_made_again_is_told_again_and_ends_in_no_second_completion() -> None:
    event = lost("v/a1/360p/00001.mp4", "v/a1/poster.webp")
    assert decide(DONE, RecordEvent(event)) == (event,)
    state = after(*MADE, COMPLETED, event)
    assert unfinished_tasks(state) == ["chunk-00001-240p", "images"]
    assert not is_complete(state)
    assert decide(state, RecordEvent(event)) == ()
    assert decide(state, RecordEvent(MediaRestored(video_id="v", attempt=1))) == ()
    with pytest.raises(NotCancellable):
        decide(state, Cancel("v", "u"))
    chunk = chunk_encoded(PLAN, 1, "360p", "240p")
    assert decide(state, RecordEvent(chunk)) == (chunk,)
    state = after(*MADE, COMPLETED, event, chunk, IMAGES)
    assert decide(state, RecordEvent(COMPLETED)) == ()
    restored = MediaRestored(video_id="v", attempt=1)
    assert decide(state, RecordEvent(restored)) == (restored,)
    assert after(*MADE, COMPLETED, event, chunk, IMAGES, restored).phase == "completed"


def test_a_picture_for_the_seek_bar_is_asked_for_once() -> None:
    key = "v/a1/storyboard/00001.webp"
    again = chunk_encoded(PLAN, 1, "360p", "240p")
    restored = MediaRestored(video_id="v", attempt=1)
    state = after(*MADE, COMPLETED, lost(key), again, restored)
    assert media_lost("v", state, {key}) is None


FAILED = TranscodeFailed(
    video_id="v", attempt=1, code="source.missing", reason="The uploaded file is gone."
)


def test_a_repair_that_fails_leaves_the_video_as_it_was() -> None:
    event = lost("v/a1/poster.webp")
    repairing = after(*MADE, COMPLETED, event)
    (failed,) = decide(repairing, RecordEvent(FAILED))
    assert isinstance(failed, MediaRepairFailed)
    state = after(*MADE, COMPLETED, event, failed)
    assert state.phase == "completed"
    assert is_complete(state)
    assert state.images == DONE.images
    assert referenced("v", state) == referenced("v", DONE)
    # The same loss is not reported again, another one is.
    assert media_lost("v", state, {"v/a1/poster.webp"}) is None
    assert media_lost("v", state, {"v/a1/poster.webp", "v/a1/240p/00000.mp4"}) == lost(
        "v/a1/240p/00000.mp4", state=state
    )


def test_an_attempt_ends_once_whatever_is_reported_afterwards() -> None:
    event = lost("v/a1/poster.webp")
    restored = MediaRestored(video_id="v", attempt=1)
    failed = MediaRepairFailed(video_id="v", attempt=1, code="c", reason="r")
    for history in ([], [event], [event, failed], [event, IMAGES, restored]):
        state = after(*MADE, COMPLETED, *history)
        for report in (COMPLETED, FAILED):
            assert not any(
                isinstance(each, TranscodeCompleted | TranscodeFailed)
                for each in decide(state, RecordEvent(report))
            )


@pytest.mark.parametrize("seed", range(200))
def test_no_sequence_of_repairs_lets_a_sweep_take_what_the_video_needs(seed: int) -> None:
    """Losses, repairs that fail or succeed, in any order and with late reports: what a completed
    attempt made stays referenced, so that no sweep removes it."""
    chance = random.Random(seed)
    history: list[Event] = [*MADE, COMPLETED]
    needed = required("v", DONE)
    for _ in range(30):
        state = after(*history)
        assert needed <= referenced("v", after(*history)) or state.repairing
        assert state.phase in ("completed", "running")
        command: Event
        match chance.randrange(5):
            case 0:
                keys = set(chance.sample(sorted(needed), 2))
                found = media_lost("v", state, keys)
                if found is None:
                    continue
                command = found
            case 1:
                command = FAILED
            case 2:
                command = chance.choice(MADE[1:])
            case 3:
                command = MediaRestored(video_id="v", attempt=1)
            case _:
                command = COMPLETED
        history += decide(state, RecordEvent(command))
    state = after(*history)
    if state.repairing:
        state = after(*history, *decide(state, RecordEvent(FAILED)))
    assert state.phase == "completed"
    assert needed <= referenced("v", state)
