"""Whether what was made of a source agrees with its plan, before a video counts as complete. Pure.

A wrong result without a word is worse than none: people delete their originals. What does not add
up is made once more the plain way, and fails if that does not add up either.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Final

import msgspec

from services.transcoder.domain.state import SoundTrack, Transcode, audio_name
from services.transcoder.planning.ending import clock
from services.transcoder.planning.plan import silence_until, timeline_of
from services.transcoder.planning.reasons import reason
from shared.contracts import AudioTrack, EncodedTrack, Rendition, Segment, TranscodePlanned

# Seconds and shares by which lengths may differ: containers round, and damaged ends are lost.
_SLACK_SECONDS: Final = 1.0
_SLACK_SHARE: Final = 0.02
# Seconds by which renditions, and segments that follow one another, may differ.
_SAME: Final = 0.25


class Fault(msgspec.Struct, frozen=True):
    """``code`` is stable, ``reason`` is for the uploader, ``detail`` for operators."""

    code: str
    reason: str
    detail: str


class _Made(msgspec.Struct, frozen=True):
    """One track as it was made: when each segment begins and ends, in seconds."""

    name: str
    spans: tuple[tuple[float, float], ...]

    @property
    def seconds(self) -> float:
        return sum(end - start for start, end in self.spans)


def find_fault(state: Transcode) -> Fault | None:
    """The first thing that does not agree with the plan of a transcode in which all is made."""
    planned = state.planned
    if planned is None:
        return None
    pictures = [_picture(state, each) for each in planned.renditions]
    sounds = [(track, _sound(state, track)) for track in planned.audio]
    for made in (*pictures, *(sound for _, sound in sounds)):
        fault = _gap(made)
        if fault:
            return fault
    return _of_pictures(planned, pictures) or _of_sounds(planned, sounds)


def _of_pictures(planned: TranscodePlanned, pictures: Sequence[_Made]) -> Fault | None:
    if not pictures:
        return None
    frames = sum(chunk.frames or 0 for chunk in planned.chunks)
    seconds = float(frames / timeline_of(planned).frame_rate)
    for made in pictures:
        if abs(made.seconds - seconds) > _slack(seconds):
            return _length("result.picture", made, seconds)
    first = pictures[0]
    # The lowest rate has frames of a second, and each rendition rounds to whole ones.
    same = max(_SAME, 2 / float(Fraction(planned.renditions[0].frame_rate)))
    for other in pictures[1:]:
        starts = zip(first.spans, other.spans, strict=False)
        apart = any(abs(one[0] - two[0]) > same for one, two in starts)
        if (
            len(first.spans) != len(other.spans)
            or apart
            or abs(first.seconds - other.seconds) > same
        ):
            return _fault(
                "result.renditions",
                f"{first.name}: {len(first.spans)} segments, {first.seconds:.3f} s;"
                f" {other.name}: {len(other.spans)} segments, {other.seconds:.3f} s",
            )
    return None


def _of_sounds(
    planned: TranscodePlanned, sounds: Sequence[tuple[AudioTrack, _Made]]
) -> Fault | None:
    for track, made in sounds:
        if track.end_ms is None:
            continue
        # Silence ends where the plan says; sound itself may be a little shorter or longer.
        silence = silence_until(track, planned.source.duration_ms)
        seconds = track.end_ms / 1000 if silence is None else silence
        slack = _slack(seconds) if silence is None else _SAME
        if abs(made.seconds - seconds) > slack:
            return _length("result.sound", made, track.end_ms / 1000)
    return None


def _length(code: str, made: _Made, seconds: float) -> Fault:
    detail = f"{made.name}: {made.seconds:.3f} s, planned {seconds:.3f} s"
    return _fault(code, detail, stated=clock(seconds), made=clock(made.seconds))


def _fault(code: str, detail: str, **values: str) -> Fault:
    return Fault(code, reason(code, **values), detail)


def _gap(made: _Made) -> Fault | None:
    """Segments that do not follow one another."""
    for (_, end), (start, _) in pairwise(made.spans):
        if abs(start - end) > _SAME:
            return _fault(
                "result.gap",
                f"{made.name}: a segment ends at {end:.3f} s, the next begins at {start:.3f} s",
                at=clock(end),
            )
    return None


def _picture(state: Transcode, rendition: Rendition) -> _Made:
    chunks = state.video.get(rendition.name, {})
    return _made(rendition.name, [chunks[number] for number in sorted(chunks)])


def _sound(state: Transcode, track: AudioTrack) -> _Made:
    name = audio_name(track.index)
    return _made(name, state.audio.get(name, SoundTrack()).parts)


def _made(name: str, tracks: Sequence[EncodedTrack]) -> _Made:
    return _Made(name, tuple(_span(each, track) for track in tracks for each in track.segments))


def _span(segment: Segment, track: EncodedTrack) -> tuple[float, float]:
    start = segment.start / track.timescale
    return start, start + segment.duration / track.timescale


def _slack(seconds: float) -> float:
    return max(_SLACK_SECONDS, _SLACK_SHARE * seconds)
