"""The arguments of the ffmpeg run that reads text tracks. Pure."""

from collections.abc import Mapping
from pathlib import Path

from services.transcoder.encoding.ffmpeg import Input, quiet


def extract_texts(source: Input, targets: Mapping[int, Path], most_bytes: int) -> list[str]:
    """ffmpeg: write text tracks, by the numbers of their streams, as WebVTT files.

    A file ends after ``most_bytes``. Time 0 is the file's first timestamp, as for sound.
    """
    arguments = [*quiet(), "-copyts", "-start_at_zero", *source.options(), "-i", source.location]
    for stream, target in targets.items():
        arguments += ["-map", f"0:{stream}", "-map_metadata", "-1", "-map_chapters", "-1"]
        arguments += ["-c:s", "webvtt", "-fs", str(most_bytes), "-f", "webvtt", str(target)]
    return arguments
