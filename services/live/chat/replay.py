"""The replay of a chat: messages with their places in the video. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from services.live.chat.entries import Message
from services.live.recording.history import History

MAX_BYTES: Final = 4 << 20
"""Of a replay; the oldest messages are left out."""


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was written when the video was at ``offset_ms``."""

    id: str
    offset_ms: int
    user_id: str
    username: str
    text: str


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """``complete``: no message was left out for its size."""

    messages: list[Replayed]
    complete: bool = True


class Places:
    """Where in the video a time of day is. Times without a picture are where pictures go on."""

    def __init__(self, history: History) -> None:
        reference = history.reference()
        # Time of day and place of each segment, and its length, in seconds.
        self._segments: list[tuple[float, float, float]] = []
        place = 0.0
        for each in sorted(reference):
            entry = reference[each]
            self._segments.append((entry.at, place, float(entry.seconds)))
            place += float(entry.seconds)

    def offset_ms(self, at: float) -> int:
        """``at`` is in Unix seconds."""
        found = 0.0
        for began, place, seconds in self._segments:
            if at < began:
                break
            found = place + min(at - began, seconds)
        return round(found * 1000)


def make_replay(messages: Sequence[Message], places: Places) -> Replay:
    """All messages with their offsets, as far as they fit."""
    made = [
        Replayed(
            id=message.id,
            offset_ms=places.offset_ms(message.at),
            user_id=message.user_id,
            username=message.username,
            text=message.text,
        )
        for message in messages
    ]
    return fitting(Replay(messages=made))


def fitting(replay: Replay) -> Replay:
    """The newest messages that fit."""
    size, first = 0, len(replay.messages)
    while first > 0:
        size += len(msgspec.json.encode(replay.messages[first - 1])) + 1
        if size > MAX_BYTES:
            break
        first -= 1
    complete = replay.complete and first == 0
    return Replay(messages=replay.messages[first:], complete=complete)


def without(replay: Replay, user_id: str) -> Replay:
    """A replay without what a user has written."""
    rest = [message for message in replay.messages if message.user_id != user_id]
    return Replay(messages=rest, complete=replay.complete)
