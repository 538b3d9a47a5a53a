"""HLS playlists of a running session from the log alone (RFC 8216). Pure.

Numbers that an owner was lost with are gaps, so that a segment's place in the list is its number,
as in the playlists of a window.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from services.live import object_keys
from services.live.recording.history import Entry, History
from services.live.recording.playlists import segment_lines
from services.live.window.playlists import stamp
from services.live.window.segments import GAP_SECONDS, WINDOW_SECONDS

_VERSION: Final = 9
_LEAST_TARGET: Final = 4
_LONG_TARGET: Final = 10
_SKIP_TARGETS: Final = 6


class Reach(msgspec.Struct, frozen=True):
    """How far back a playlist reaches. Players load a list again after ``target`` seconds: the
    longer it is, the rarer. ``skips``: whether an update may leave out what players have."""

    seconds: float
    target: int
    skips: bool


WINDOW: Final = Reach(WINDOW_SECONDS, _LEAST_TARGET, skips=False)
"""As much as the owner's window has: for players that come from its playlists."""


def dvr(seconds: float) -> Reach:
    """For viewers who go back."""
    return Reach(seconds, _LONG_TARGET, skips=True)


def running_playlist(
    history: History, track: str, reach: Reach, *, skip: bool = False
) -> str | None:
    """The playlist of a track; None if there is no such track. ``skip``: an update."""
    entries = {entry.number: entry for entry in history.tracks.get(track, ())}
    reference = history.reference()
    if not entries or not reference:
        return None
    newest = reference[max(reference)]
    since = newest.at + newest.length - reach.seconds
    first = min(number for number, entry in reference.items() if entry.at >= min(since, newest.at))
    longest = max(entry.length for number, entry in reference.items() if number >= first)
    target = max(reach.target, int(longest + 0.5))
    left_out = 0
    if reach.skips and skip and not history.ended:
        left_out = _skippable(reference, first, _SKIP_TARGETS * target)
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{_VERSION}",
        f"#EXT-X-TARGETDURATION:{target}",
        *([f"#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL={_SKIP_TARGETS * target}.0"] * reach.skips),
        f"#EXT-X-MEDIA-SEQUENCE:{first}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{reference[first].jumps}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        *([f"#EXT-X-SKIP:SKIPPED-SEGMENTS={left_out}"] if left_out else []),
        *_listed(track, entries, reference, first, first + left_out),
        *(["#EXT-X-ENDLIST"] if history.ended else []),
    ]
    return "\n".join([*lines, ""])


def _skippable(reference: Mapping[int, Entry], first: int, seconds: int) -> int:
    """How many segments an update may leave out; none over a discontinuity, which ends hls.js."""
    newest = reference[max(reference)]
    if reference[first].jumps != newest.jumps:
        return 0
    edge = newest.at + newest.length - seconds
    shown = [entry for number, entry in reference.items() if number >= first]
    return sum(entry.at + entry.length < edge for entry in shown)


def _listed(
    track: str,
    entries: Mapping[int, Entry],
    reference: Mapping[int, Entry],
    first: int,
    begin: int,
) -> Iterator[str]:
    """The lines of all segments from ``begin`` on; ``first``: the first one of the whole list."""
    before = reference[first]
    init = entries[begin - 1].init_key if begin > first and begin - 1 in entries else ""
    for number in range(begin, max(reference) + 1):
        shown = reference.get(number)
        if shown is None:
            yield "#EXT-X-GAP"
            yield f"#EXTINF:{GAP_SECONDS:.5f},"
            yield object_keys.uri(object_keys.missing_segment(before.key, track, number))
            continue
        if shown.jumps != before.jumps:
            yield "#EXT-X-DISCONTINUITY"
        if shown.jumps != before.jumps or number == first:
            yield f"#EXT-X-PROGRAM-DATE-TIME:{stamp(shown.at)}"
        entry = entries.get(number)
        yield from segment_lines(entry, shown, init, track)
        init = entry.init_key if entry is not None else init
        before = shown
