"""What a clip may be, and which segments it has. Pure.

A clip has whole segments, so it begins up to one segment earlier than was asked for and ends up to
one later. It belongs to the owner of the live, whoever made it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final, Literal

import msgspec

from services.live.domain.session import Phase
from services.live.object_keys import moved
from services.live.recording.history import Entry, History
from shared.contracts import EncodedTrack, Event, LivePublished, Visibility
from shared.errors import Conflict, Detail, Forbidden, InvalidInput, NotFound

SHORTEST: Final = 5
LONGEST: Final = 120
BATCH_SECONDS: Final = 12.0
"""After this time, segments that were sent are in the log, unless the storage is slow."""

_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)

State = Literal["waiting", "ready", "failed"]
ClipVisibility = Literal["public", "unlisted", "private"]
_WIDTH: Final[Mapping[Visibility, int]] = {"draft": 0, "private": 0, "unlisted": 1, "public": 2}


class ClipNotFound(NotFound):
    code = "clip_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such clip.")


class ClipsNotAllowed(Forbidden):
    """Only the owner of this live may make clips of it."""

    code = "clips_not_allowed"

    def __init__(self) -> None:
        super().__init__("The owner of this live does not allow clips.")


class TooManyClips(Forbidden):
    """Somebody has made as many in a day as they may, or all viewers together have."""

    code = "quota_exceeded"


class NoRoomForClip(Forbidden):
    """The account that the clip would belong to may store no more."""

    code = "quota_exceeded"


class NothingToClip(Conflict):
    """The live does not run, and no video of it is named."""

    code = "live_not_running"

    def __init__(self) -> None:
        super().__init__("There is no running live to make a clip of.")


class Chosen(msgspec.Struct, frozen=True):
    """The segments of a clip by number, and its real bounds."""

    numbers: frozenset[int]
    started_at: float
    seconds: Fraction


def checked_seconds(seconds: int) -> int:
    """Raises InvalidInput."""
    if not SHORTEST <= seconds <= LONGEST:
        problem = f"must be {SHORTEST} to {LONGEST}"
        raise InvalidInput(f"The seconds {problem}.", [Detail("seconds", problem)])
    return seconds


def may_clip(
    caller: str, owner: str, clips_by: Literal["owner", "everyone"], source: Visibility
) -> bool:
    """Whether ``caller`` may make a clip of a live whose video is ``source``."""
    return caller == owner or (clips_by == "everyone" and _WIDTH[source] > 0)


def clip_visibility(asked: Visibility | None, source: Visibility, *, by_owner: bool) -> Visibility:
    """Who sees a clip. Only the owner of a live can show more people a clip than the live."""
    if asked is None or not (by_owner or _WIDTH[asked] <= _WIDTH[source]):
        return "private" if source == "draft" else source
    return asked


def bounded(ends_at: datetime | None, now: datetime) -> datetime:
    """The end of a clip as it is kept: not later than now, by default now.

    Nothing was ever sent before ``_FIRST``. The first moment of all would stand for infinity in the
    database, and come back without a zone.
    """
    return max(_FIRST, min(ends_at or now, now))


def is_due(phase: Phase, ends_at: datetime, now: datetime) -> bool:
    """Whether the log has what was sent before ``ends_at``: it gets it in batches of some 8 s."""
    if phase in ("ended", "recorded"):
        return True
    return (now - ends_at).total_seconds() >= BATCH_SECONDS


def choose(history: History, seconds: int, ends_at: datetime) -> Chosen | None:
    """The segments of the last ``seconds`` of media before ``ends_at``; None if there is none."""
    reference = history.reference()
    until = ends_at.timestamp()
    numbers: list[int] = []
    total = Fraction(0)
    for number in sorted(reference, reverse=True):
        entry = reference[number]
        if entry.at >= until:
            continue
        numbers.append(number)
        total += entry.seconds
        # The last segment counts only as far as the clip needs it.
        over = max(0.0, reference[numbers[0]].at + float(reference[numbers[0]].seconds) - until)
        if float(total) - over >= seconds:
            break
    if not numbers:
        return None
    return Chosen(frozenset(numbers), reference[numbers[-1]].at, total)


def batches(
    clip_id: str, source_id: str, events: Sequence[Event], numbers: frozenset[int]
) -> list[LivePublished]:
    """The source's batches with only these segments, under the keys of the clip."""
    found: list[LivePublished] = []
    for event in events:
        if not isinstance(event, LivePublished):
            continue
        tracks = [_cut(clip_id, source_id, track, numbers) for track in event.tracks]
        tracks = [track for track in tracks if track.segments]
        if not tracks:
            continue
        found.append(
            LivePublished(
                video_id=clip_id,
                epoch=event.epoch,
                first_segment=min(track.segments[0].index for track in tracks),
                started_at=event.started_at + _later(event.tracks, tracks),
                tracks=tuple(tracks),
                jump=event.jump and bool(found),
            )
        )
    return found


def _cut(
    clip_id: str, source_id: str, track: EncodedTrack, numbers: frozenset[int]
) -> EncodedTrack:
    kept = tuple(segment for segment in track.segments if segment.index in numbers)
    # The digest of a batch is one of all its segments.
    whole = len(kept) == len(track.segments)
    return msgspec.structs.replace(
        track,
        segments=kept,
        key=moved(track.key or "", source_id, clip_id),
        init_key=moved(track.init_key, source_id, clip_id),
        sha256=track.sha256 if whole else None,
    )


def _later(before: Sequence[EncodedTrack], after: Sequence[EncodedTrack]) -> timedelta:
    """How much later the first segment is than that of the whole batch."""
    return timedelta(seconds=_start(after) - _start(before))


def _start(tracks: Sequence[EncodedTrack]) -> float:
    first = next(track for track in tracks if track.segments)
    return first.segments[0].start / first.timescale


def objects(history: History, numbers: frozenset[int]) -> list[Entry]:
    """The segments to copy, of all tracks."""
    return [
        entry for entries in history.tracks.values() for entry in entries if entry.number in numbers
    ]
