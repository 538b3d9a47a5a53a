"""Whatever follows a completed attempt, no sweep names an object that it needs."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.transcoder.coordinator.media_objects import fates, planned_joins, referenced
from services.transcoder.coordinator.missing_media import expected_keys, media_lost
from services.transcoder.domain.decisions import (
    Cancel,
    Command,
    NotCancellable,
    NotRetryable,
    RecordEvent,
    Retry,
    decide,
)
from services.transcoder.domain.evolution import evolve
from services.transcoder.domain.state import Transcode
from shared.contracts import (
    CompactedTrack,
    Event,
    MediaCompacted,
    MediaRestored,
    TranscodeFailed,
)
from tests.unit.transcoder.facts_about import COMPLETED, IMAGES, audio_encoded, chunk_encoded, plan

PLAN = plan()
FAILED = TranscodeFailed(video_id="v", attempt=1, code="source.missing", reason="r")
MADE: list[Event] = [
    PLAN,
    chunk_encoded(PLAN, 0, "240p"),
    chunk_encoded(PLAN, 0, "360p"),
    *(chunk_encoded(PLAN, chunk.index, "360p", "240p") for chunk in PLAN.chunks[1:]),
    audio_encoded(0, 5, complete=True),
    IMAGES,
]
STEPS = st.one_of(
    st.sampled_from(["fail", "restore", "made", "retry", "cancel", "compact", "complete"]),
    st.integers(0, 1 << 16),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_no_sweep_names_an_object_of_a_completed_attempt(steps: list[str | int]) -> None:
    state = follow(Transcode(), [*MADE, COMPLETED])
    for step in steps:
        before = state
        for command in commands(state, step):
            state = perform(state, command)
        # The sweep deletes a whole attempt where the job failed or was cancelled.
        assert state.phase in ("completed", "running"), step
        assert state.attempt == 1
        if state.phase == "completed":
            kept = referenced("v", state)
            assert expected_keys("v", state) <= kept
            if before.phase == "completed":
                # Players may still use what was there a moment ago.
                assert expected_keys("v", before) <= kept


LISTING = st.one_of(
    st.sampled_from(["list", "drop", "delete"]), STEPS, st.sampled_from(["list", "delete"])
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([[], ["compact", "drop"]]), st.lists(LISTING, max_size=20))
def test_no_deletion_takes_what_a_completed_attempt_names(
    first: list[str | int], steps: list[str | int]
) -> None:
    """What was listed at one time is judged again at another, whatever happened in between: losses,
    repairs that fail or succeed, compactions, and in any order."""
    state = follow(Transcode(), [*MADE, COMPLETED])
    bucket = set(referenced("v", state)) | {"v/a1/stray.mp4"}
    listed: dict[str, bool] = {}
    for step in first + steps:
        if step in ("list", "drop") and state.phase == "completed":
            # The sweep, the reconciliation, and the end of a compaction's time.
            kept = referenced("v", state, replaced=step == "list")
            listed |= {key: step == "drop" for key in bucket - kept if key not in listed}
        elif step == "delete":
            for key, replaced in list(listed.items()):
                verdict = fates("v", state, replaced=replaced)(key)
                if verdict == "later":
                    continue
                del listed[key]
                if verdict == "delete":
                    bucket.discard(key)
        else:
            for command in commands(state, step):
                state = perform(state, command)
            # What has been made or joined is in the bucket.
            bucket |= referenced("v", state)
        named = state.before_repair if state.repairing else state
        assert named is not None
        assert expected_keys("v", named) <= bucket, step
        assert referenced("v", state, replaced=False) <= bucket, step


def test_nothing_is_deleted_while_a_transcode_is_under_way() -> None:
    for state in (Transcode(), follow(Transcode(), MADE)):
        assert fates("v", state, replaced=False)("v/a1/stray.mp4") == "later"
    done = follow(Transcode(), [*MADE, COMPLETED])
    assert fates("v", done, replaced=False)("v/a1/stray.mp4") == "delete"
    assert fates("v", done, replaced=False)("v/master.m3u8") == "keep"
    assert fates("v", done, replaced=False)("v/a1/360p-early.m3u8") == "keep"
    assert fates("v", done, replaced=True)("v/a1/360p-early.m3u8") == "delete"


def follow(state: Transcode, events: list[Event]) -> Transcode:
    for event in events:
        state = perform(state, RecordEvent(event))
    return state


def perform(state: Transcode, command: Command) -> Transcode:
    try:
        events = decide(state, command)
    except (NotRetryable, NotCancellable):
        return state
    for event in events:
        state = evolve(state, event)
    return state


def commands(state: Transcode, step: str | int) -> list[Command]:
    """What a process may ask for at this step; the decider may refuse."""
    match step:
        case int():
            keys = sorted(expected_keys("v", state))
            # The number's bits choose which objects are lost.
            lost = media_lost("v", state, {k for i, k in enumerate(keys) if step >> i % 16 & 1})
            return [RecordEvent(lost)] if lost else []
        case "fail":
            return [RecordEvent(FAILED)]
        case "restore":
            return [RecordEvent(MediaRestored(video_id="v", attempt=1))]
        case "made":
            return [RecordEvent(event) for event in MADE]
        case "retry":
            return [Retry("v", "u")]
        case "cancel":
            return [Cancel("v", "u")]
        case "compact":
            joined = tuple(
                CompactedTrack(track=whole.track, key=whole.key, size=whole.size)
                for whole, _ in planned_joins(state)
            )
            event = MediaCompacted(video_id="v", attempt=1, objects=joined, keep_seconds=1)
            return [RecordEvent(event)]
        case _:
            return [RecordEvent(COMPLETED)]
