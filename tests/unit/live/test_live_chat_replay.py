"""Where a message of a chat is in the video; what does not fit is left out."""

from datetime import UTC, datetime, timedelta

from services.live.chat import replay
from services.live.chat.entries import Message, frame_of, read_entry
from services.live.chat.replay import Places, Replay, make_replay, without
from services.live.recording.history import read_history
from tests.integration.live.harness import batch

AT = datetime(2030, 1, 2, tzinfo=UTC)


def message(seconds: float, text: str = "Hi", user: str = "bob") -> Message:
    at = round((AT.timestamp() + seconds) * 1000)
    return Message(id=f"{at}-0", user_id=user, username=user, text=text)


def places() -> Places:
    """Four seconds, a publisher that is away for a minute, four seconds."""
    import msgspec

    first = batch("v", 1, 0)
    later = msgspec.structs.replace(
        batch("v", 2, 2), started_at=AT + timedelta(seconds=64), jump=True
    )
    return Places(read_history("v", [first, later]))


def test_a_message_is_where_the_picture_was() -> None:
    found = [places().offset_ms(AT.timestamp() + at) for at in (-5, 0, 1.5, 4, 30, 64, 66.5, 90)]
    assert found == [0, 0, 1500, 4000, 4000, 4000, 6500, 8000]
    assert Places(read_history("v", [])).offset_ms(5.0) == 0


def test_the_newest_messages_are_kept() -> None:
    long = "x" * 300
    count = replay.MAX_BYTES // 300
    made = make_replay([message(at / 1000, long) for at in range(count)], places())
    assert not made.complete
    assert 0 < len(made.messages) < count
    assert made.messages[-1].id == message((count - 1) / 1000).id
    small = make_replay([message(0)], places())
    assert small.complete
    assert without(small, "bob") == Replay(messages=[])
    assert without(small, "cat") == small


def test_no_text_can_begin_another_field_of_an_event() -> None:
    frame = frame_of(message(0, "a\ndata: b\r\nevent: removed\u2028<script>"))
    assert frame.count(b"\n") == 4
    assert b"\r" not in frame
    assert read_entry(b"1-0", {b"kind": b"of another version"}) is None
