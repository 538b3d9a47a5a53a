"""Low-latency HLS playlists of a window (RFC 8216, second edition: draft-pantos-hls-rfc8216bis).

Pure. What hls.js needs beyond the text: no delta update over a discontinuity, which ends it for
good; and where there are several renditions, a distance to the edge of a group of pictures and two
parts, without which each switch stalls.
"""

import datetime
from collections.abc import Iterator, Sequence
from typing import Final

from services.live import object_keys
from services.live.packaging.layout import SOUND, Rung
from services.live.window.segments import Segment, Track, Window

CONTENT_TYPE: Final = "application/vnd.apple.mpegurl"
SOUND_RATE: Final = 160_000
"""Of AAC with its container, in bits per second."""

_VERSION: Final = 9
# Segments end at the first key picture after 1.9 s, and those are at most 4 s apart.
_TARGET_SECONDS: Final = 4
# Parts are listed for the newest segments, and older ones may be skipped in updates.
_SEGMENTS_WITH_PARTS: Final = 4
_SKIP_TARGETS: Final = 6
_PART_MARGIN: Final = 0.03
# The peak so far is not yet that of the whole session.
_PEAK_MARGIN: Final = 1.2
_LEAST_RATE: Final = 100_000


def target_seconds(segments: Sequence[Segment]) -> int:
    """EXT-X-TARGETDURATION: no segment is longer, in whole seconds."""
    return max([_TARGET_SECONDS, *(int(segment.seconds + 0.5) for segment in segments)])


def part_target(window: Window) -> float:
    """EXT-X-PART-INF: no part is longer."""
    return window.part_seconds + _PART_MARGIN


def hold_back(window: Window) -> float:
    """How far from the edge players stay, in seconds."""
    part = part_target(window)
    several = window.layout is not None and len(window.layout.rungs) > 1
    return max(3 * part, window.longest_gop + 2 * part if several else 0.0)


def media_playlist(window: Window, track: Track, *, low_latency: bool, skip: bool = False) -> str:
    """The playlist of one track. ``skip``: an update without what the player has already."""
    segments = [s for s in track.segments.values() if low_latency or s.done]
    target = target_seconds(segments)
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{_VERSION}", f"#EXT-X-TARGETDURATION:{target}"]
    lines += _control(window, target, low_latency=low_latency)
    if segments:
        lines.append(f"#EXT-X-MEDIA-SEQUENCE:{segments[0].number}")
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{segments[0].jumps}")
    skipped = _skippable(segments, target) if skip and not window.ended else 0
    if skipped:
        lines.append(f"#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")
    before = segments[skipped - 1] if skipped else None
    with_parts = {segment.number for segment in segments[-_SEGMENTS_WITH_PARTS:]}
    for segment in segments[skipped:]:
        parts = low_latency and segment.number in with_parts
        lines += _segment(segment, before, first=segment is segments[0], parts=parts)
        before = segment
    if window.ended:
        lines.append("#EXT-X-ENDLIST")
    elif low_latency and segments:
        lines += _edge(window, track, segments[-1])
    return "\n".join([*lines, ""])


def _control(window: Window, target: int, *, low_latency: bool) -> Iterator[str]:
    control = f"CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={_SKIP_TARGETS * target}.0"
    control += f",HOLD-BACK={3 * target}.0"
    if low_latency:
        yield f"#EXT-X-SERVER-CONTROL:{control},PART-HOLD-BACK={hold_back(window):.3f}"
        yield f"#EXT-X-PART-INF:PART-TARGET={part_target(window):.3f}"
    else:
        yield f"#EXT-X-SERVER-CONTROL:{control}"


def _skippable(segments: Sequence[Segment], target: int) -> int:
    """How many segments an update may leave out; none over a discontinuity."""
    if not segments:
        return 0
    edge = segments[-1].at + segments[-1].seconds - _SKIP_TARGETS * target
    count = sum(segment.at + segment.seconds < edge for segment in segments)
    if count == 0 or segments[0].jumps != segments[-1].jumps:
        return 0
    return count


def _segment(
    segment: Segment, before: Segment | None, *, first: bool, parts: bool
) -> Iterator[str]:
    if before is not None and segment.jumps != before.jumps:
        yield "#EXT-X-DISCONTINUITY"
    if first or before is None or segment.init_key != before.init_key:
        yield f'#EXT-X-MAP:URI="{object_keys.uri(segment.init_key)}"'
    yield f"#EXT-X-PROGRAM-DATE-TIME:{stamp(segment.at)}"
    if parts:
        for number, part in enumerate(segment.parts):
            seconds = part.duration / segment.timescale
            independent = ",INDEPENDENT=YES" if part.key else ""
            uri = part_uri(segment, number)
            yield f'#EXT-X-PART:DURATION={seconds:.5f},URI="{uri}"{independent}'
    if segment.done:
        if segment.gap:
            yield "#EXT-X-GAP"
        yield f"#EXTINF:{segment.seconds:.5f},"
        yield object_keys.uri(segment.key)


def _edge(window: Window, track: Track, last: Segment) -> Iterator[str]:
    """What comes next, and where the other renditions are."""
    yield f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{hinted_part(window, track, last)}"'
    for other in window.tracks.values():
        newest = other.last
        if other is track or newest is None or not newest.parts:
            continue
        yield (
            f'#EXT-X-RENDITION-REPORT:URI="{object_keys.playlist(other.name)}",'
            f"LAST-MSN={newest.number},LAST-PART={len(newest.parts) - 1}"
        )


def hinted_part(window: Window, track: Track, last: Segment) -> str:
    """The address of the part that comes after a track's last one."""
    if not last.done:
        return part_uri(last, len(last.parts))
    # A gap may have another epoch's folder; the next segment has the present one.
    folder = object_keys.track_folder(window.video_id, window.epoch, track.name)
    return object_keys.uri(f"{folder}/{last.number + 1}.0.m4s")


def part_uri(segment: Segment, part: int) -> str:
    """The address of a part, beside its segment's."""
    return object_keys.uri(f"{segment.folder}/{segment.number}.{part}.m4s")


def stamp(at: float) -> str:
    """A time as ISO 8601, with milliseconds."""
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def multivariant(window: Window, dvr_seconds: int = 0) -> str | None:
    """The multivariant playlist; None until each rendition has something to play.
    ``dvr_seconds``: how far back the playlists of the log reach."""
    layout = window.layout
    if layout is None or not all(window.tracks[name].shown for name in layout.tracks):
        return None
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{_VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    if dvr_seconds:
        lines += dvr_lines(dvr_seconds)
    sound = window.tracks.get(SOUND) if layout.sound is not None else None
    sound_codecs = sound.init.codecs if sound is not None and sound.init is not None else ""
    if sound_codecs:
        lines.append(
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Sound",DEFAULT=YES,AUTOSELECT=YES,'
            f'CHANNELS="2",URI="{object_keys.playlist(SOUND)}"'
        )
    for rung in layout.rungs:
        lines += _variant(window, rung, sound_codecs)
    return "\n".join([*lines, ""])


def dvr_lines(seconds: int) -> Iterator[str]:
    """Tells a player of the playlist that reaches so many seconds back."""
    yield f'#EXT-X-SESSION-DATA:DATA-ID="cinelog.dvr.playlist",VALUE="{object_keys.DVR}"'
    yield f'#EXT-X-SESSION-DATA:DATA-ID="cinelog.dvr.seconds",VALUE="{seconds}"'


def _variant(window: Window, rung: Rung, sound_codecs: str) -> Iterator[str]:
    track = window.tracks[rung.name]
    init = track.init
    if init is None:
        return
    rate = max(peak_rate(track, rung), _LEAST_RATE) + (SOUND_RATE if sound_codecs else 0)
    codecs = ",".join(filter(None, (init.codecs, sound_codecs)))
    attributes = [f"BANDWIDTH={round(rate)}", f'CODECS="{codecs}"']
    if init.width:
        attributes.append(f"RESOLUTION={init.width}x{init.height}")
    if window.frame_rate:
        attributes.append(f"FRAME-RATE={window.frame_rate:.3f}")
    attributes.append("CLOSED-CAPTIONS=NONE")
    if sound_codecs:
        attributes.append('AUDIO="audio"')
    yield f"#EXT-X-STREAM-INF:{','.join(attributes)}"
    yield object_keys.playlist(rung.name)


def peak_rate(track: Track, rung: Rung) -> float:
    """The highest rate of a rendition: what its encoder allows, or what was measured of a copy."""
    if not rung.copied:
        return rung.rate * 1.25
    last = track.last
    if track.peak or last is None:
        return track.peak * _PEAK_MARGIN
    return 8 * last.size / max(last.seconds, 0.3) * _PEAK_MARGIN
