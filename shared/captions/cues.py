"""Cues, and the one WebVTT form in which they are stored."""

from collections.abc import Sequence
from typing import Final

import msgspec

MAX_BYTES: Final = 512 * 1024
"""Of a file as it is sent."""
MAX_CUES: Final = 10_000
MAX_CUE_TEXT: Final = 2_000
"""Characters of one cue, markup included."""
_LONGEST_MS: Final = 100 * 3_600_000

# Cue times are those of the video from its beginning, which HLS wants said (RFC 8216, section 3.5).
# Readers of plain WebVTT skip the line.
_HEADER: Final = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n"


class RefusedCaptions(ValueError):
    """A file is not captions. ``line``: where, counted from 1; 0 for all of it."""

    def __init__(self, problem: str, line: int = 0) -> None:
        super().__init__(f"Line {line}: {problem}" if line else problem)


class Cue(msgspec.Struct, frozen=True):
    """A text and when it is shown, in milliseconds; ``settings`` say where (WebVTT, 3.4)."""

    start_ms: int
    end_ms: int
    text: str
    settings: str = ""


def checked(cue: Cue, line: int) -> Cue:
    """The cue. Raises RefusedCaptions where it ends before it begins, or holds too much."""
    if cue.end_ms <= cue.start_ms:
        raise RefusedCaptions("it ends before it begins.", line)
    if cue.end_ms > _LONGEST_MS:
        raise RefusedCaptions("it is later than any video.", line)
    if len(cue.text) > MAX_CUE_TEXT:
        raise RefusedCaptions(f"it has more than {MAX_CUE_TEXT} characters.", line)
    return cue


def webvtt(cues: Sequence[Cue]) -> bytes:
    """The file of cues, in the order of their times. Texts are markup already (``cue_text``)."""
    blocks = [
        f"{clock(cue.start_ms)} --> {clock(cue.end_ms)}"
        f"{' ' if cue.settings else ''}{cue.settings}\n{cue.text}\n"
        for cue in sorted(cues, key=lambda cue: (cue.start_ms, cue.end_ms))
    ]
    return "\n".join((_HEADER, *blocks)).encode()


def clock(milliseconds: int) -> str:
    """``01:02:03.456``."""
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{rest:03}"
