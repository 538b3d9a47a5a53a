"""A result that does not agree with its plan is not shown as complete."""

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from services.transcoder.coordinator.publisher import Publisher
from services.transcoder.coordinator.result_check import find_fault
from services.transcoder.domain.decisions import DECIDER, RecordEvent
from services.transcoder.domain.evolution import evolve
from services.transcoder.domain.state import SoundTrack, Transcode
from services.transcoder.handlers import AttemptMetrics
from shared.contracts import (
    EncodedTrack,
    MediaLost,
    TranscodeCompleted,
    TranscodeFailed,
    TranscodePlanned,
    TranscodeRetried,
    VideoPlayable,
)
from shared.event_store.decider import Outcome
from tests.support.memory_blobs import MemoryBlobs
from tests.unit.transcoder.facts_about import COMPLETED, IMAGES, after, audio_encoded, plan
from tests.unit.transcoder.facts_about import chunk_encoded as chunk

SOUND = audio_encoded(0, 5, complete=True)


def planned(end_ms: int | None = 20_053) -> TranscodePlanned:
    made = plan(20.0)
    tracks = tuple(msgspec.structs.replace(track, end_ms=end_ms) for track in made.audio)
    return msgspec.structs.replace(made, audio=tracks)


def finished(plan_: TranscodePlanned, *, plain: bool = False) -> Transcode:
    encoded = [chunk(plan_, each.index, "360p", "240p") for each in plan_.chunks]
    return msgspec.structs.replace(after(plan_, *encoded, SOUND, IMAGES), plain=plain)


def shortened(track: EncodedTrack, ticks: int) -> EncodedTrack:
    last = track.segments[-1]
    last = msgspec.structs.replace(last, duration=last.duration - ticks)
    return msgspec.structs.replace(track, segments=(*track.segments[:-1], last))


def with_picture(state: Transcode, name: str, seconds: float) -> Transcode:
    """The state with a rendition whose last segment is shorter by so much."""
    chunks = dict(state.video[name])
    last = max(chunks)
    chunks[last] = shortened(chunks[last], round(seconds * 25_000))
    return msgspec.structs.replace(state, video=state.video | {name: chunks})


def code(state: Transcode) -> str | None:
    fault = find_fault(state)
    return fault.code if fault else None


def test_what_agrees_has_no_fault() -> None:
    assert find_fault(finished(planned())) is None
    assert find_fault(finished(planned(end_ms=None))) is None
    # A container that states a little too much, and renditions that end with different frames.
    state = finished(planned())
    for name in ("360p", "240p"):
        state = with_picture(state, name, 0.8)
    assert find_fault(with_picture(state, "240p", 0.04)) is None


def test_a_picture_that_is_too_short_is_a_fault() -> None:
    state = finished(planned())
    for name in ("360p", "240p"):
        state = with_picture(state, name, 1.2)
    assert code(state) == "result.picture"


def test_renditions_of_different_lengths_are_a_fault() -> None:
    assert code(with_picture(finished(planned()), "240p", 0.5)) == "result.renditions"


@pytest.mark.parametrize("end_ms", [18_900, 21_500, 12_000, 3_604_000])
def test_sound_of_another_length_than_its_packets_is_a_fault(end_ms: int) -> None:
    assert code(finished(planned(end_ms))) == "result.sound"


def test_a_gap_in_a_track_is_a_fault() -> None:
    state = finished(planned())
    (part,) = state.audio["audio-0"].parts
    third = msgspec.structs.replace(part.segments[2], start=part.segments[2].start + 48_000)
    segments = (*part.segments[:2], third, *part.segments[3:])
    moved = SoundTrack((msgspec.structs.replace(part, segments=segments),), True)
    assert code(msgspec.structs.replace(state, audio={"audio-0": moved})) == "result.gap"


async def test_a_fault_becomes_a_plain_attempt_and_then_a_reason() -> None:
    state = finished(planned(12_000))
    media = MemoryBlobs()
    (failed,) = await Publisher(media).publish("v", state)
    assert isinstance(failed, TranscodeFailed)
    assert "0:12" in failed.reason
    assert not media.keys()
    (retried,) = DECIDER.decide(state, RecordEvent(failed))
    assert isinstance(retried, TranscodeRetried)
    assert retried.plain
    (ended,) = DECIDER.decide(finished(planned(12_000), plain=True), RecordEvent(failed))
    assert ended == failed
    registry = CollectorRegistry()
    metrics = AttemptMetrics(registry)
    metrics.observe(Outcome(evolve(state, retried), 1, (retried,)))
    metrics.observe(Outcome(Transcode(plain=True), 1, (ended,)))
    metrics.observe(Outcome(Transcode(plain=True), 1, (COMPLETED,)))
    begun = {"code": "result.sound"}
    assert registry.get_sample_value("cinelog_transcode_plain_attempts_total", begun) == 1
    for outcome in ("failed", "completed"):
        name = "cinelog_transcode_plain_ends_total"
        assert registry.get_sample_value(name, {"outcome": outcome}) == 1


async def test_a_repair_is_published_as_it_is() -> None:
    state = evolve(finished(planned(12_000)), COMPLETED)
    lost = MediaLost(video_id="v", attempt=1, keys=("k",), tasks=("images",))
    state = evolve(evolve(state, lost), IMAGES)
    events = await Publisher(MemoryBlobs()).publish("v", state)
    assert not any(isinstance(event, TranscodeFailed) for event in events)


async def test_what_agrees_is_completed() -> None:
    events = await Publisher(MemoryBlobs()).publish("v", finished(planned()))
    assert [type(event) for event in events] == [VideoPlayable, TranscodeCompleted]
