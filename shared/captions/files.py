"""Reads files of captions strictly: what is no cue is refused with its line.

WebVTT and SRT here; ASS and TTML in modules of their own.
"""

import re
from collections.abc import Iterator
from typing import Final

from shared.captions.ass import is_ass, read_ass
from shared.captions.cue_text import safe_text
from shared.captions.cues import MAX_BYTES, MAX_CUES, Cue, RefusedCaptions, checked
from shared.captions.ttml import is_ttml, read_ttml

_EMPTY: Final = "The file has no captions in it."
_TIME: Final = r"(?:([0-9]{1,3}):)?([0-5]?[0-9]):([0-5][0-9])[.,]([0-9]{1,3})"
_TIMING: Final = re.compile(rf"\s*{_TIME}[ \t]+-->[ \t]+{_TIME}(?:[ \t]+(.*))?\s*")
_LINE_ENDS: Final = re.compile("\r\n?")
_SETTING: Final = re.compile(
    r"(?:vertical:(?:rl|lr)|line:-?[0-9]{1,3}(?:\.[0-9]{1,3})?%?(?:,(?:start|center|end))?"
    r"|position:[0-9]{1,3}(?:\.[0-9]{1,3})?%(?:,(?:line-left|center|line-right))?"
    r"|size:[0-9]{1,3}(?:\.[0-9]{1,3})?%|align:(?:start|center|end|left|right))\Z"
)
# Blocks that are no cues; styles and regions of others are not taken over.
_OTHER: Final = re.compile(r"(?:NOTE|STYLE|REGION)(?:[ \t].*)?\Z")

Block = tuple[int, list[str]]


def read_captions(data: bytes, *, strict: bool = True) -> list[Cue]:
    """The cues of a file, safe to show. Raises RefusedCaptions.

    Not ``strict``: what is no cue is left out, because nobody can mend the file.
    """
    if len(data) > MAX_BYTES:
        raise RefusedCaptions(f"The file is larger than {MAX_BYTES // 1024} KiB.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RefusedCaptions("The file is not in UTF-8.") from None
    text = _LINE_ENDS.sub("\n", text).replace("\0", "\ufffd")
    cues = _read(text, strict=strict)
    if not cues:
        raise RefusedCaptions(_EMPTY)
    return cues


def _read(text: str, *, strict: bool) -> list[Cue]:
    if is_ass(text):
        return read_ass(text)
    if is_ttml(text):
        return read_ttml(text)
    blocks = _blocks(text.split("\n"))
    first = next(blocks, None)
    if first is None:
        raise RefusedCaptions(_EMPTY)
    is_webvtt = re.match(r"WEBVTT(?:[ \t]|\Z)", first[1][0]) is not None
    cues: list[Cue] = []
    for block in blocks if is_webvtt else (first, *blocks):
        try:
            cue = _cue(block, webvtt=is_webvtt)
        except RefusedCaptions:
            if strict:
                raise
            continue
        if cue is not None:
            cues.append(cue)
    return cues


def _blocks(lines: list[str]) -> Iterator[Block]:
    """Lines without an empty one between them, with the number of the first."""
    block: list[str] = []
    count = 0
    for number, line in enumerate((*lines, ""), start=1):
        if line.strip():
            block.append(line)
        elif block:
            count += 1
            # Notes and styles count, too: they cost as much.
            if count > MAX_CUES + 1:
                raise RefusedCaptions(f"The file has more than {MAX_CUES} captions.", number)
            yield number - len(block), block
            block = []


def _cue(block: Block, *, webvtt: bool) -> Cue | None:
    """The cue of a block; None for notes, and for a cue without text."""
    number, lines = block
    if webvtt and _OTHER.match(lines[0]):
        return None
    timing = _TIMING.fullmatch(lines[0])
    body = lines[1:]
    if timing is None and len(lines) > 1:
        # The first line may be a name or a number.
        number, timing, body = number + 1, _TIMING.fullmatch(lines[1]), lines[2:]
    if timing is None:
        raise RefusedCaptions("a time such as “00:01.000 --> 00:04.000” was expected.", number)
    text = safe_text("\n".join(body))
    if not text:
        return None
    settings = (timing[9] or "").split() if webvtt else []
    kept = " ".join(each for each in settings if _SETTING.match(each))
    cue = Cue(_milliseconds(timing, 1), _milliseconds(timing, 5), text, kept)
    return checked(cue, number)


def _milliseconds(timing: re.Match[str], first: int) -> int:
    hours, minutes, seconds = (int(timing[first + part] or 0) for part in range(3))
    fraction = int(timing[first + 3].ljust(3, "0"))
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + fraction
