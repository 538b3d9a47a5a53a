"""Whether a finished video has all that its source has: tracks, and their whole length.

The oracle compares what is in a video. What is not in it must be told to its uploader.
"""

from pathlib import Path
from typing import Final

from services.transcoder.domain import audio_name
from tests.media.pipeline import Processed
from tests.media.source_streams import SourceStreams

# Seconds by which pictures and sound may end before the video does: players play them out.
_SHORTER: Final = 1.2


def lacking(streams: SourceStreams, made: Processed) -> list[str]:
    """What a video lacks of its source without a word, in words."""
    return [*_lost(streams, made), *_short(made)]


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
    return found


def _short(made: Processed) -> list[str]:
    planned = made.planned
    names = [rendition.name for rendition in planned.renditions]
    names += [
        name
        for name in (audio_name(track.index) for track in planned.audio)
        if made.state.audio[name].segments
    ]
    lengths = {name: _length(made.playlist(name)) for name in names}
    whole = max([planned.source.duration_ms / 1000, *lengths.values()])
    return [
        f"{name}: {length:.2f} s of {whole:.2f} s"
        for name, length in lengths.items()
        if length < whole - _SHORTER
    ]


def _length(playlist: Path) -> float:
    """The seconds of a playlist's segments."""
    lines = playlist.read_text().splitlines()
    named = [line.partition(":")[2] for line in lines if line.startswith("#EXTINF:")]
    return sum(float(value.partition(",")[0]) for value in named)
