"""HLS playlists of a recording (RFC 8216). Pure."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Final

from services.live import object_keys
from services.live.packaging.layout import SOUND
from services.live.recording.history import Entry, History
from services.live.window.playlists import dvr_lines, stamp
from shared.contracts import PublishedRendition

_VERSION: Final = 7
_LEAST_TARGET: Final = 4


def media_playlist(history: History, track: str) -> str | None:
    """The playlist of a track; None if there is no such track.

    A segment that only other tracks have is a gap: numbers and discontinuities stay alike in all
    playlists.
    """
    entries = {entry.number: entry for entry in history.tracks.get(track, ())}
    if not entries:
        return None
    reference = history.reference()
    numbers = history.numbers
    longest = max(entry.seconds for entry in reference.values())
    target = max(_LEAST_TARGET, int(longest + Fraction(1, 2)))
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{_VERSION}",
        f"#EXT-X-TARGETDURATION:{target}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    jumps = reference[numbers[0]].jumps
    init = ""
    for number in numbers:
        shown = reference[number]
        if shown.jumps != jumps:
            lines.append("#EXT-X-DISCONTINUITY")
        if shown.jumps != jumps or number == numbers[0]:
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{stamp(shown.at)}")
        jumps = shown.jumps
        entry = entries.get(number)
        lines += segment_lines(entry, shown, init, track)
        init = entry.init_key if entry is not None else init
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def segment_lines(entry: Entry | None, shown: Entry, init: str, track: str) -> Iterator[str]:
    """One segment. ``shown``: as long as it lasts, where the track does not have it. ``init``: of
    the segment before.

    A player that loads a gap all the same finds nothing, never another track's segment.
    """
    if entry is None:
        yield "#EXT-X-GAP"
        yield f"#EXTINF:{shown.length:.5f},"
        yield object_keys.uri(object_keys.missing_segment(shown.key, track, shown.number))
        return
    if entry.init_key != init:
        yield f'#EXT-X-MAP:URI="{object_keys.uri(entry.init_key)}"'
    yield f"#EXTINF:{entry.length:.5f},"
    yield object_keys.uri(entry.key)


def rates(entries: Sequence[Entry]) -> tuple[int, int]:
    """The highest and the average bit rate; short segments do not count (RFC 8216, 4.1)."""
    if not entries:
        return 0, 0
    longest = max(entry.seconds for entry in entries)
    counted = [entry for entry in entries if entry.seconds * 2 >= longest and entry.duration]
    peak = max((round(8 * entry.size / entry.seconds) for entry in counted), default=0)
    seconds = sum((entry.seconds for entry in entries), Fraction(0))
    average = round(8 * sum(entry.size for entry in entries) / seconds) if seconds else 0
    return max(peak, average), average


def multivariant(
    history: History,
    sizes: dict[str, tuple[int, int]],
    name: Callable[[str], str],
    dvr_seconds: int = 0,
) -> str | None:
    """The multivariant playlist. ``sizes``: width and height of renditions, where known; ``name``:
    of a track's playlist; ``dvr_seconds``: how far back the ones for it reach."""
    pictures = shown_pictures(history)
    if not pictures:
        return None
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{_VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    if dvr_seconds:
        lines += dvr_lines(dvr_seconds)
    sound = history.tracks.get(SOUND, [])
    if sound:
        lines.append(
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Sound",DEFAULT=YES,AUTOSELECT=YES,'
            f'CHANNELS="2",URI="{name(SOUND)}"'
        )
    for track in pictures:
        peak, average = rates(history.tracks[track])
        sound_peak, sound_average = rates(sound)
        attributes = [f"BANDWIDTH={peak + sound_peak}"]
        attributes.append(f"AVERAGE-BANDWIDTH={average + sound_average}")
        attributes.append(f'CODECS="{codecs(history, track)}"')
        if track in sizes:
            attributes.append("RESOLUTION={}x{}".format(*sizes[track]))
        attributes.append("CLOSED-CAPTIONS=NONE")
        if sound:
            attributes.append('AUDIO="audio"')
        lines += (f"#EXT-X-STREAM-INF:{','.join(attributes)}", name(track))
    return "\n".join([*lines, ""])


def shown_pictures(history: History) -> list[str]:
    """The renditions that have the whole session; else those that have most of it.

    A rung that was dropped on the way has no end, and players would meet only gaps there.
    """
    numbers = set(history.numbers)
    have = {
        name: len({entry.number for entry in history.tracks[name]} & numbers)
        for name in history.pictures
    }
    most = max(have.values(), default=0)
    return [name for name, count in have.items() if count == most]


def codecs(history: History, track: str) -> str:
    """The codec strings of a rendition and of the sound: each that occurs."""
    entries = [*history.tracks[track], *history.tracks.get(SOUND, [])]
    return ",".join(dict.fromkeys(entry.codecs for entry in entries))


def published_renditions(
    history: History, sizes: dict[str, tuple[int, int]], frame_rate: str
) -> list[PublishedRendition]:
    """The renditions of the recording."""
    sound_peak, sound_average = rates(history.tracks.get(SOUND, []))
    found: list[PublishedRendition] = []
    for name in shown_pictures(history):
        peak, average = rates(history.tracks[name])
        width, height = sizes.get(name, (0, 0))
        found.append(
            PublishedRendition(
                name=name,
                width=width,
                height=height,
                bandwidth=peak + sound_peak,
                average_bandwidth=average + sound_average,
                codecs=codecs(history, name),
                frame_rate=frame_rate,
            )
        )
    return found
