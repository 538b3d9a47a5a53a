"""Given what is in the log, when something is reported or asked for, then these facts follow."""

import itertools

import msgspec
import pytest

from services.transcoder.domain.decisions import (
    Cancel,
    NotCancellable,
    NotRetryable,
    RecordEvent,
    Retry,
    decide,
)
from services.transcoder.domain.evolution import evolve
from services.transcoder.domain.state import (
    Transcode,
    is_complete,
    is_playable,
    media_keys,
    ready_chunks,
)
from shared.contracts import (
    Event,
    MediaLost,
    MediaRestored,
    TranscodeCancelled,
    TranscodeFailed,
    TranscodeProgressed,
    TranscodeRetried,
    VideoPlayable,
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
FAILED = TranscodeFailed(video_id="v", attempt=1, code="c", reason="r")


def everything() -> list[Event]:
    return [
        chunk_encoded(PLAN, 0, "240p"),
        chunk_encoded(PLAN, 0, "360p"),
        *(chunk_encoded(PLAN, chunk.index, "360p", "240p") for chunk in PLAN.chunks[1:]),
        audio_encoded(0, 5, complete=True),
        IMAGES,
    ]


def news(state: Transcode, event: Event) -> bool:
    return bool(decide(state, RecordEvent(event)))


def test_nothing_is_news_before_the_plan_but_failure() -> None:
    assert not news(Transcode(), chunk_encoded(PLAN, 0, "240p"))
    assert not news(Transcode(), IMAGES)
    assert news(Transcode(), PLAN)
    assert news(Transcode(), FAILED)


def test_what_is_reported_twice_is_recorded_once() -> None:
    state = after(PLAN)
    for event in [PLAN, *everything()]:
        if event is not PLAN:
            assert news(state, event)
        state = evolve(state, event)
        assert not news(state, event)


def test_order_does_not_matter_for_the_end() -> None:
    chunks = [event for event in everything() if not isinstance(event, type(IMAGES))]
    for order in itertools.islice(itertools.permutations(chunks), 0, 200, 7):
        assert is_complete(after(PLAN, *order, IMAGES))


def test_completion_needs_everything() -> None:
    for left_out in range(len(everything())):
        events = everything()
        del events[left_out]
        state = after(PLAN, *events)
        assert not is_complete(state)
        assert not news(state, COMPLETED)
    assert news(after(PLAN, *everything()), COMPLETED)


def test_playable_with_the_lowest_first_chunk_and_sound() -> None:
    assert not is_playable(after(PLAN))
    assert not is_playable(after(PLAN, chunk_encoded(PLAN, 0, "240p")))
    assert not is_playable(after(PLAN, chunk_encoded(PLAN, 0, "360p"), audio_encoded(0, 1)))
    assert is_playable(after(PLAN, chunk_encoded(PLAN, 0, "240p"), audio_encoded(0, 1)))
    silent = plan(audio=0)
    assert is_playable(after(silent, chunk_encoded(silent, 0, "240p")))
    only_sound = plan(names=())
    assert is_playable(after(only_sound, audio_encoded(0, 1)))
    # A sound track may turn out to be empty.
    empty = audio_encoded(0, 0, complete=True)
    assert is_playable(after(PLAN, chunk_encoded(PLAN, 0, "240p"), empty))


def test_only_what_has_no_gap_before_it_is_shown() -> None:
    first = chunk_encoded(PLAN, 0, "240p")
    third = chunk_encoded(PLAN, 2, "360p", "240p")
    assert ready_chunks(after(PLAN, third)) == 0
    assert ready_chunks(after(PLAN, first, third)) == 1
    assert ready_chunks(after(PLAN, first, chunk_encoded(PLAN, 1, "240p"))) == 1
    second = chunk_encoded(PLAN, 1, "360p", "240p")
    assert ready_chunks(after(PLAN, first, third, second)) == 3


def test_sound_goes_on_where_it_stopped() -> None:
    state = after(PLAN, audio_encoded(0, 2))
    assert not news(state, audio_encoded(0, 2))
    assert not news(state, audio_encoded(3, 1))
    assert news(state, audio_encoded(2, 1))
    assert not news(evolve(state, audio_encoded(2, 0, complete=True)), audio_encoded(2, 1))


def test_the_first_encode_of_a_chunk_stands() -> None:
    first = chunk_encoded(PLAN, 0, "240p")
    again = chunk_encoded(PLAN, 0, "360p", "240p")
    assert news(after(PLAN, first), again)
    state = after(PLAN, first, again)
    assert state.video["240p"][0] is first.tracks[0]
    assert not news(state, again)


def test_progress_only_grows() -> None:
    state = after(PLAN, progressed(10.0))
    assert not news(state, progressed(10.0))
    assert not news(state, progressed(9.0))
    assert news(state, progressed(11.0))


def progressed(percent: float) -> TranscodeProgressed:
    return TranscodeProgressed(video_id="v", attempt=1, percent=percent, stage="encoding")


def test_a_video_becomes_playable_once() -> None:
    playable = VideoPlayable(
        video_id="v", attempt=1, playlist_key="v/master.m3u8", duration_ms=1, width=1, height=1
    )
    assert news(after(PLAN), playable)
    state = after(PLAN, playable)
    assert state.playable == playable
    assert not news(state, playable)


def test_a_complete_video_is_at_a_hundred_percent() -> None:
    state = after(PLAN, *everything(), COMPLETED)
    assert (state.phase, state.percent, state.repairing) == ("completed", 100.0, False)
    lost = MediaLost(video_id="v", attempt=1, keys=("v/a1/poster.webp",), tasks=("images",))
    restored = MediaRestored(video_id="v", attempt=1)
    assert evolve(state, lost).repairing
    again = evolve(evolve(evolve(state, lost), IMAGES), restored)
    assert (again.phase, again.percent, again.repairing) == ("completed", 100.0, False)


def test_before_the_plan_nothing_is_ready() -> None:
    assert ready_chunks(Transcode()) == 0
    assert not is_playable(Transcode())
    assert not is_complete(after(IMAGES))


def test_media_keys_are_those_of_objects_that_there_are() -> None:
    track = chunk_encoded(PLAN, 0, "240p").tracks[0]
    older = msgspec.structs.replace(chunk_encoded(PLAN, 1, "240p").tracks[0], key=None)
    state = after(PLAN, chunk_encoded(PLAN, 0, "240p"))
    state = msgspec.structs.replace(state, video={"240p": {0: track, 1: older}})
    assert media_keys(state) == {"v/a1/240p/init.mp4", "v/a1/240p/00000.mp4"}


def test_every_sound_track_must_be_complete() -> None:
    two = plan(audio=2)
    first = audio_encoded(0, 5, complete=True)
    (track,) = first.tracks
    second = msgspec.structs.replace(
        first, tracks=(msgspec.structs.replace(track, name="audio-1"),)
    )
    chunks = [chunk_encoded(two, chunk.index, "360p", "240p") for chunk in two.chunks]
    state = after(two, *chunks, IMAGES, first)
    assert not is_playable(state)
    assert not is_complete(state)
    assert is_playable(evolve(state, second))
    assert is_complete(evolve(state, second))


def test_nothing_follows_the_end() -> None:
    cancelled = TranscodeCancelled(video_id="v", requested_by="u")
    for end in (FAILED, COMPLETED, cancelled):
        state = after(PLAN, end)
        assert not news(state, FAILED)
        assert not any(news(state, event) for event in everything())


def test_a_retry_starts_over_and_old_reports_are_stale() -> None:
    state = after(PLAN, *everything(), FAILED)
    (retried,) = decide(state, Retry("v", "u"))
    assert retried == TranscodeRetried(video_id="v", attempt=2, requested_by="u")
    fresh = evolve(state, retried)
    assert fresh == Transcode(attempt=2)
    assert not news(fresh, PLAN)
    assert not news(fresh, FAILED)


def test_only_what_is_over_can_be_retried() -> None:
    for state in (Transcode(), after(PLAN), after(PLAN, COMPLETED)):
        with pytest.raises(NotRetryable):
            decide(state, Retry("v", "u"))


def test_cancel_once() -> None:
    (cancelled,) = decide(after(PLAN), Cancel("v", "u"))
    assert cancelled == TranscodeCancelled(video_id="v", requested_by="u")
    assert decide(after(PLAN, cancelled), Cancel("v", "u")) == ()
    for end in (FAILED, COMPLETED):
        with pytest.raises(NotCancellable):
            decide(after(PLAN, end), Cancel("v", "u"))
