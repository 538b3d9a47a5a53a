"""Chapters of a video, from the time stamps in its description. Pure.

Nothing stores them: whoever knows the description and the length knows the chapters.
"""

import re
from itertools import pairwise
from typing import Final

import msgspec

_FEWEST: Final = 2
# "0:00 Intro", "- [1:02:03] – The end": a time stamp at a line's beginning and a name behind it.
_LINE: Final = re.compile(
    r"[ \t]*(?:[-*•‣▶►–—][ \t]*)?[(\[]?"
    r"(?:(?P<hours>[0-9]{1,2}):(?P<minutes>[0-5][0-9])|(?P<long>[0-9]{1,3})):(?P<seconds>[0-5][0-9])"
    r"[)\]]?(?:[ \t]*(?:[-–—|•·]|:(?![0-9]))[ \t]*|[ \t]+)(?P<title>\S.*)"
)
_ESCAPED: Final = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}


class Chapter(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a video with a name. Times in milliseconds from the video's beginning."""

    start_ms: int
    end_ms: int
    title: str


def read_chapters(description: str, duration_ms: int | None) -> list[Chapter]:
    """The chapters that lines of the description name.

    The first begins at 0:00 and each one after that before it; of fewer than two, or with a time
    stamp out of order, there are none. None of a video whose length is not known, either: a chapter
    ends where the next one begins, the last one with the video.
    """
    named = [
        (_milliseconds(found), found["title"].strip())
        for line in description.splitlines()
        if (found := _LINE.fullmatch(line)) is not None
    ]
    starts = [start for start, _ in named]
    if not starts or starts[0] != 0 or any(a >= b for a, b in pairwise(starts)):
        return []
    inside = [(start, title) for start, title in named if start < (duration_ms or 0)]
    if len(inside) < _FEWEST:
        return []
    ends = [start for start, _ in inside[1:]] + [duration_ms or 0]
    return [
        Chapter(start_ms=start, end_ms=end, title=title)
        for (start, title), end in zip(inside, ends, strict=True)
    ]


def webvtt(chapters: list[Chapter]) -> str:
    """The chapters as a WebVTT file (W3C WebVTT, section 1.4: chapters)."""
    cues = [
        f"{_clock(chapter.start_ms)} --> {_clock(chapter.end_ms)}\n"
        f"{chapter.title.translate(_ESCAPED)}\n"
        for chapter in chapters
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _milliseconds(found: re.Match[str]) -> int:
    hours, minutes = int(found["hours"] or 0), int(found["minutes"] or found["long"])
    return ((hours * 60 + minutes) * 60 + int(found["seconds"])) * 1000


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{rest:03}"
