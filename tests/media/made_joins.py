"""Recordings that were joined although they are not alike."""

from typing import Final

from tests.media.made_files import X264, Recipe, joined, picture, tone


def _part(tone_hz: int, *options: str, seconds: float = 3) -> tuple[str, ...]:
    return (*picture(seconds=seconds), *tone(tone_hz, seconds), *X264, "-c:a", "aac", *options)


JOINS: Final[dict[str, Recipe]] = {
    "flv, sound of another rate": joined(
        "a.flv", _part(440, "-ar", "22050", "-ac", "1"), _part(880, "-ar", "44100", "-ac", "1")
    ),
    "ts, sound at twice the rate": joined(
        "a.ts", _part(440, "-ar", "22050"), _part(880, "-ar", "44100", "-output_ts_offset", "3")
    ),
}

# ffmpeg reads a second Matroska file after the first, and no third.
MANY: Final = joined("a.mkv", *(_part(300 + 200 * n, seconds=1.1) for n in range(3)))
