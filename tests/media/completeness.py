"""Whether a finished video has all that its source has: tracks, their whole length, their size.

The oracle compares what is in a video. What is not in it must be told to its uploader.
"""

from pathlib import Path
from typing import Final

from services.transcoder.domain.state import audio_name
from services.transcoder.planning.ending import ENDS_EARLY
from services.transcoder.planning.ladder import RUNGS
from tests.media.pipeline import Processed
from tests.media.source_streams import SourceStreams

# Seconds by which pictures and sound may end before the video does: players play them out.
_SHORTER: Final = 1.2
# A picture may be so much larger than the rung that it is shown in.
_SMALLER: Final = 1.05


def lacking(streams: SourceStreams, made: Processed) -> list[str]:
    """What a video lacks of its source without a word, in words."""
    return [*_lost(streams, made), *_short(streams, made), *_small(made)]


def _lost(streams: SourceStreams, made: Processed) -> list[str]:
    planned = made.planned
    told = {note.code for note in planned.source.notes}
    found: list[str] = []
    shown = 0 if planned.picture_key or not planned.renditions else 1
    if len(streams.pictures) > shown and "picture_left_out" not in told:
        found.append(f"{shown} of {len(streams.pictures)} pictures are shown, and no note says so")
    sounds = len(streams.sounds) + len(streams.silent)
    if sounds > len(planned.audio) and "sound_left_out" not in told:
        found.append(f"{len(planned.audio)} of {sounds} sounds are left, and no note says so")
    if streams.rest and "rest_left_out" not in told:
        found.append("further recordings are not played, and no note says so")
    return found


def _short(streams: SourceStreams, made: Processed) -> list[str]:
    planned = made.planned
    shown = [rendition.name for rendition in planned.renditions]
    names = [audio_name(track.index) for track in planned.audio]
    heard = [name for name in names if made.state.audio[name].segments]
    lengths = {name: _length(made.playlist(name)) for name in (*shown, *heard)}
    whole = max([planned.source.duration_ms / 1000, *lengths.values()])
    # Sound may end before the longest sound, not before the picture.
    until = dict.fromkeys(shown, whole) | dict.fromkeys(heard, planned.source.duration_ms / 1000)
    found = [
        f"{name}: {length:.2f} s of {until[name]:.2f} s"
        for name, length in lengths.items()
        if length < until[name] - _SHORTER
    ]
    told = any(note.code == ENDS_EARLY for note in planned.source.notes)
    if not told and whole < streams.stated - max(_SHORTER, streams.stated / 50):
        found.append(f"{whole:.2f} s of {streams.stated:.2f} s, and no note says so")
    return found


def _small(made: Processed) -> list[str]:
    """Whether a picture that is not larger than the highest rendition shrinks."""
    video, renditions = made.planned.source.video, made.planned.renditions
    if video is None or not renditions:
        return []
    top = max(renditions, key=lambda each: each.width)
    most = RUNGS[0].short
    if min(video.width, video.height) > most or top.width * _SMALLER >= video.width:
        return []
    return [f"{top.width} × {top.height} of {video.width} × {video.height} pixels"]


def _length(playlist: Path) -> float:
    """The seconds of a playlist's segments."""
    lines = playlist.read_text().splitlines()
    named = [line.partition(":")[2] for line in lines if line.startswith("#EXTINF:")]
    return sum(float(value.partition(",")[0]) for value in named)
