"""Whether a source may be its own top rendition, and where its segments begin. Pure.

The source must be decodable by every browser, have a key frame every few seconds, and stay within
the bit rates for its size. All renditions share the segment starts: the encoded ones follow the
source's key frames, so that players can switch between them.
"""

from array import array
from bisect import bisect_left
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Final

import msgspec

from services.transcoder.mp4.sample_index import SampleTrack
from services.transcoder.planning.colours import players_agree
from services.transcoder.planning.ladder import BELOW, RUNGS, encoding, ladder, own_name
from services.transcoder.planning.plan import SEGMENT_SECONDS
from shared.contracts import Rendition, SourceFacts
from shared.mp4.boxes import MalformedMp4, parsing
from shared.mp4.sample_entry import config

# The longest segment: with longer ones players start and switch too slowly. x264's default key
# frame interval, 250 frames, is 8.3 s at 30 frames per second.
MAX_SEGMENT_SECONDS: Final = 8.5
_WANTED_SECONDS: Final = SEGMENT_SECONDS + 0.5
_LEAST_SECONDS: Final = 2.0
# The bit rates of a source relative to the cap of an encode of its size: for 1080p 8 Mbit/s on
# average and 16 Mbit/s at most, as other services allow.
_MEAN_SHARE: Final = Fraction(8, 5)
_PEAK_SHARE: Final = Fraction(16, 5)
_MAX_DELAY_SECONDS: Final = 0.5
_FASTEST: Final = 60.5
# Baseline, Main and High; level 5.1.
_PROFILES: Final = (66, 77, 100)
_MAX_LEVEL: Final = 51


class PassthroughVerdict(msgspec.Struct, frozen=True):
    """Where segments begin, or the ``reason`` why the source must be encoded.

    ``samples``: the first sample of each segment. ``borders``: the output frame shown at that time.
    ``delay_us``: microseconds from the file's start to the first picture.
    """

    samples: tuple[int, ...] = ()
    borders: tuple[int, ...] = ()
    delay_us: int = 0
    reason: str | None = None


def check_passthrough(
    facts: SourceFacts, track: SampleTrack, rate: Fraction, start: float
) -> PassthroughVerdict:
    """Check every condition of passthrough but whether the key frames are IDR pictures.

    ``start``: the file's first timestamp in seconds. ``rate``: the output's frames per second.
    """
    reason = _picture_fault(facts, track) or _clock_fault(facts, track, start)
    if reason:
        return PassthroughVerdict(reason=reason)
    samples = segment_samples(track)
    if not samples:
        return PassthroughVerdict(
            reason="its key frames are too far apart, or frames refer across them"
        )
    reason = _bits_fault(facts, track, samples)
    if reason:
        return PassthroughVerdict(reason=reason)
    delay = max(0.0, track.start - start)
    zero = track.composition[0]
    times = [Fraction(track.composition[sample] - zero, track.timescale) for sample in samples]
    frames = [round((time + Fraction(delay)) * rate) if time else 0 for time in times]
    if any(later <= earlier for earlier, later in pairwise(frames)):
        return PassthroughVerdict(reason="its key frames are too close together")
    return PassthroughVerdict(samples, tuple(frames), round(delay * 1_000_000))


def passthrough_ladder(facts: SourceFacts) -> tuple[Rendition, ...]:
    """The source itself and the ladder's smaller renditions; none where no rendition is smaller."""
    video = facts.video
    if video is None:
        return ()
    pixels = video.width * video.height
    below = tuple(r for r in ladder(facts) if r.width * r.height <= pixels * BELOW)
    if not below:
        return ()
    top = Rendition(
        name=own_name(video.width, video.height),
        width=video.width,
        height=video.height,
        frame_rate=video.frame_rate,
        passthrough=True,
    )
    return (top, *below)


def segment_samples(track: SampleTrack) -> tuple[int, ...]:
    """The first sample of each segment; none where segments would be too long.

    A segment begins at a key frame that no frame refers across: all that is stored before it is
    shown before it, and all that is stored after it is shown after it.
    """
    shown = track.composition
    latest = array("q", accumulate(shown, max))
    earliest = array("q", accumulate(reversed(shown), min))
    last = track.count - 1
    keys = [
        key
        for key in track.keys
        if earliest[last - key] == shown[key] and (key == 0 or latest[key - 1] < shown[key])
    ]
    if not keys or keys[0] != 0:
        return ()
    times = [shown[key] / track.timescale for key in keys]
    finish = track.end / track.timescale
    chosen = [0]
    at = 0
    while finish - times[at] > _WANTED_SECONDS:
        following = bisect_left(times, times[at] + _WANTED_SECONDS)
        best = following - 1
        if times[best] - times[at] < _LEAST_SECONDS:
            if following < len(times):
                best = following
            elif finish - times[at] <= MAX_SEGMENT_SECONDS:
                break
        if best == at or times[best] - times[at] > MAX_SEGMENT_SECONDS:
            return ()
        chosen.append(best)
        at = best
    return tuple(keys[place] for place in chosen)


def _picture_fault(facts: SourceFacts, track: SampleTrack) -> str | None:
    video = facts.video
    if video is None or video.codec != "h264" or video.pixel_format != "yuv420p":
        return "its picture is not H.264 with 8 bits and 4:2:0"
    if video.interlaced or video.fields or video.rotation or video.mirrored:
        return "its picture is interlaced, rotated or mirrored"
    if video.hdr or not players_agree(video):
        return "its picture is of high dynamic range, or its colours are not BT.709"
    coded = int.from_bytes(track.entry[32:34], "big"), int.from_bytes(track.entry[34:36], "big")
    if coded != (video.width, video.height):
        return "its pixels are not square"
    if max(coded) > RUNGS[0].long or min(coded) > RUNGS[0].short:
        return "it is larger than the highest rendition"
    small = "it is so small that encoding it costs nothing"
    return _parameter_fault(track) if passthrough_ladder(facts) else small


def _parameter_fault(track: SampleTrack) -> str | None:
    if track.entries != 1 or track.entry[4:8] != b"avc1":
        return "its parameters change, or are not where they belong"
    try:
        with parsing():
            box = config(track.entry)
            profile, _, level, _ = track.entry[box.body + 1 : box.body + 5]
    except MalformedMp4:
        return "its parameters are missing"
    fits = profile in _PROFILES and level <= _MAX_LEVEL
    return None if fits else f"its profile is {profile} and its level {level}"


def _clock_fault(facts: SourceFacts, track: SampleTrack, start: float) -> str | None:
    if facts.video is not None and facts.video.length_ms:
        return "its sound goes on after its picture"
    if not track.edits.whole:
        return "its edit list leaves frames out"
    if not -0.001 <= track.start - start <= _MAX_DELAY_SECONDS:
        return "its picture begins late"
    seconds = (track.end - track.composition[0]) / track.timescale
    if seconds <= 0 or track.count > seconds * _FASTEST + 1:
        return "it has too many frames per second"
    if any(later <= earlier for earlier, later in pairwise(track.decode)):
        return "its frames are out of order"
    return None


def _bits_fault(facts: SourceFacts, track: SampleTrack, samples: tuple[int, ...]) -> str | None:
    video = facts.video
    if video is None:
        return "it has no picture"
    cap = _cap(video.width, video.height, video.frame_rate)
    stops = [*samples[1:], track.count]
    times = [*(track.composition[sample] for sample in samples), track.end]
    for first, stop, ticks in zip(samples, stops, map(int.__sub__, times[1:], times), strict=False):
        seconds = max(1.0, ticks / track.timescale)
        if 8 * sum(track.sizes[first:stop]) > cap * _PEAK_SHARE * Fraction(seconds):
            return "its bit rate rises too high"
    seconds = max(1.0, (track.end - track.composition[0]) / track.timescale)
    if 8 * sum(track.sizes) > cap * _MEAN_SHARE * Fraction(seconds):
        return "its bit rate is too high"
    return None


def _cap(width: int, height: int, frame_rate: str) -> int:
    """The cap of an encode of this size, in bits per second."""
    name = own_name(width, height)
    made = Rendition(name=name, width=width, height=height, frame_rate=frame_rate)
    return encoding(made).max_rate
