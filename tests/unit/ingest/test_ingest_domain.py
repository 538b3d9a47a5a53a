"""An upload's life: given events, when a command, then events."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import domain
from services.ingest.details import Details
from services.ingest.domain import (
    Abort,
    Command,
    Complete,
    Expire,
    Reject,
    Start,
    UploadClosed,
    readable_size,
    source_key,
)
from shared.contracts import (
    Event,
    UploadAborted,
    UploadExpired,
    UploadRejected,
    UploadStarted,
    VideoUploaded,
)

DETAILS = Details(title="Title", description="Words", filename="a.mp4", tags=("x",))
START = Start(video_id="v", user_id="u", protocol="tus", details=DETAILS, size=9)
COMPLETE = Complete(
    video_id="v",
    user_id="u",
    details=DETAILS,
    content_type="video/mp4",
    size=9,
    source_key=source_key("v"),
    sha256="00",
)
ABORT = Abort(video_id="v", user_id="u", reason="because")
REJECT = Reject(video_id="v", user_id="u", code="not_a_video", reason="because")
EXPIRE = Expire(video_id="v", user_id="u")

STARTED = UploadStarted(
    video_id="v",
    user_id="u",
    protocol="tus",
    title="Title",
    description="Words",
    filename="a.mp4",
    size=9,
)
UPLOADED = VideoUploaded(
    video_id="v",
    user_id="u",
    title="Title",
    description="Words",
    filename="a.mp4",
    content_type="video/mp4",
    size=9,
    source_key="v/source",
    sha256="00",
    tags=("x",),
)
ABORTED = UploadAborted(video_id="v", user_id="u", reason="because")
REJECTED = UploadRejected(video_id="v", user_id="u", code="not_a_video", reason="because")
EXPIRED = UploadExpired(video_id="v", user_id="u")


def when(given_events: Sequence[Event], command: Command) -> Sequence[Event]:
    state = domain.initial()
    for event in given_events:
        state = domain.evolve(state, event)
    return domain.decide(state, command)


@pytest.mark.parametrize(
    ("given_events", "command", "then"),
    [
        ([], START, [STARTED]),
        ([STARTED], START, []),
        ([STARTED], COMPLETE, [UPLOADED]),
        ([STARTED, UPLOADED], COMPLETE, []),
        ([STARTED], ABORT, [ABORTED]),
        ([STARTED], REJECT, [REJECTED]),
        ([STARTED], EXPIRE, [EXPIRED]),
        ([STARTED, ABORTED], EXPIRE, []),
        ([STARTED, EXPIRED], ABORT, []),
        ([], EXPIRE, []),
    ],
)
def test_decisions(given_events: list[Event], command: Command, then: list[Event]) -> None:
    assert list(when(given_events, command)) == then


@pytest.mark.parametrize(
    ("given_events", "command"),
    [
        ([], COMPLETE),
        ([STARTED, ABORTED], COMPLETE),
        ([STARTED, EXPIRED], COMPLETE),
        ([STARTED, REJECTED], COMPLETE),
        ([STARTED, UPLOADED], ABORT),
        ([STARTED, UPLOADED], EXPIRE),
        ([STARTED, UPLOADED], START),
    ],
)
def test_an_upload_ends_once(given_events: list[Event], command: Command) -> None:
    with pytest.raises(UploadClosed):
        when(given_events, command)


@given(st.lists(st.sampled_from([START, COMPLETE, ABORT, REJECT, EXPIRE]), max_size=12))
def test_no_history_has_two_endings(commands: list[Command]) -> None:
    state, ends = domain.initial(), 0
    for command in commands:
        try:
            events = domain.decide(state, command)
        except UploadClosed:
            continue
        for event in events:
            ends += not isinstance(event, UploadStarted)
            state = domain.evolve(state, event)
    assert ends <= 1


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1024**2 - 512, "1024 KiB"),
        (1024**2, "1 MiB"),
        (1024**3, "1 GiB"),
        (1536, "1.5 KiB"),
        (64 * 1024**2, "64 MiB"),
        (20 * 1024**3, "20 GiB"),
    ],
)
def test_sizes_in_words(size: int, words: str) -> None:
    assert readable_size(size) == words
