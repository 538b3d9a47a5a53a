"""Recordings that were joined although they are not alike."""

from typing import Final

from tests.media.made_changes import copied_together
from tests.media.made_files import VP8, X264, Recipe, joined, picture, tone


def _part(tone_hz: int, *options: str, seconds: float = 3) -> tuple[str, ...]:
    return (*picture(seconds=seconds), *tone(tone_hz, seconds), *X264, "-c:a", "aac", *options)


def _song(tone_hz: int, *options: str) -> tuple[str, ...]:
    """A picture of 1.2 s and a sound of 2.7 s."""
    return (
        *picture(rate="15", seconds=1.2),
        *tone(tone_hz, 2.7),
        *VP8,
        "-c:a",
        "libopus",
        *options,
    )


def _late(tone_hz: int) -> tuple[str, ...]:
    """A sound that begins 0.6 s after the picture."""
    late = ("-itsoffset", "0.6", *tone(tone_hz, 2))
    return (*picture(seconds=2.4), *late, "-map", "0:v", "-map", "1:a", *X264, "-c:a", "ac3")


def _broadcast(tone_hz: int) -> tuple[str, ...]:
    sound = ("-c:a", "pcm_s16le", "-ar", "48000")
    return (*picture("720x576", seconds=2), *tone(tone_hz, 2), "-c:v", "mpeg2video", *sound)


def _in_long_packets(tone_hz: int) -> tuple[str, ...]:
    """As TTA and WavPack have them."""
    late = (*picture(seconds=1.6), "-itsoffset", "0.6", *tone(tone_hz, 3.1))
    return (*late, *X264, "-c:a", "flac", "-frame_size:a", "45570")


_PAUSED: Final = ("-vf", "setpts='PTS+gte(T,0.6)*7/TB'", "-fps_mode", "vfr", *X264)

JOINS: Final[dict[str, Recipe]] = {
    "flv, sound of another rate": joined(
        "a.flv", _part(440, "-ar", "22050", "-ac", "1"), _part(880, "-ar", "44100", "-ac", "1")
    ),
    "ts, sound at twice the rate": joined(
        "a.ts", _part(440, "-ar", "22050"), _part(880, "-ar", "44100", "-output_ts_offset", "3")
    ),
    "webm, sound longer than its picture": joined("a.webm", _song(440), _song(880)),
    "webm from 12 s, sound longer than its picture": joined(
        "a.webm", *(_song(each, "-output_ts_offset", "12") for each in (440, 880))
    ),
    "flv, sound longer than its picture": joined(
        "a.flv",
        *(
            (*picture(seconds=1.2), *tone(each, 2.7), *X264, "-c:a", "aac", "-ar", "44100")
            for each in (440, 880, 660)
        ),
    ),
    "mkv, late sound in long packets": joined("a.mkv", *map(_in_long_packets, (440, 880))),
    "gxf": joined("a.gxf", *map(_broadcast, (440, 880))),
    "mkv, few pictures": joined("a.mkv", *2 * ((*picture(rate="10", seconds=1), *X264),)),
    "mkv, few pictures that are never reordered": joined(
        "a.mkv",
        *(
            (*picture(rate="10", seconds=1), "-c:v", "huffyuv", *("-output_ts_offset", str(start)))
            for start in (0.5, 0.6)
        ),
    ),
    "mkv, late sound": joined("a.mkv", _late(440), _late(880)),
    # The maximum of bits per second must not be that of a picture that is shown for 7 s.
    "mp4, size changes after a pause": copied_together(
        "a.mp4",
        (*picture("200x112", "12", 1.2), *_PAUSED),
        (*picture("112x200", "12", 1.2), *X264, "-bsf:v", "dump_extra"),
        of="mp4",
    ),
}

# ffmpeg reads a second Matroska file after the first, and no third.
MANY: Final = joined("a.mkv", *(_part(300 + 200 * n, seconds=1.1) for n in range(3)))
