"""Where a source ends: what it states against what its packets reach. Pure.

A full card, a crash or a broken download cuts a file short. What is there is kept, and the uploader
is told. So is the uploader of several recordings in one file, of which ffmpeg plays the first.
"""

import re
from typing import Final

import msgspec

from shared.contracts import SourceFacts, SourceNote

ENDS_EARLY: Final = "ends_early"
# Containers that state no length: ffmpeg guesses it from the bit rate.
GUESSED: Final = frozenset(("aac", "ac3", "amr", "dts", "eac3", "mp3"))
# A page is at most so long (RFC 3533), and two more may follow the last packet.
PAGES_BYTES: Final = 3 << 16
# How files of these containers begin, of which ffmpeg does not read on into a second one.
_BEGINNINGS: Final = {
    "aiff": re.compile(rb"FORM.{4}AIF[FC]", re.DOTALL),
    "asf": re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c"),
    "wav": re.compile(rb"RIFF.{4}WAVEfmt ", re.DOTALL),
    "matroska": re.compile(rb"\x1a\x45\xdf\xa3.{1,60}(?:webm|matroska)", re.DOTALL),
    "flv": re.compile(rb"FLV\x01[\0\x01\x04\x05]\0\0\0\x09"),
}
_FIRST: Final = "one after the other, of which the first is kept"
# How much is looked at from the last packet on: itself, and the index of a Matroska file.
REST_BYTES: Final = 4 << 20
# The share of a stated length, and the seconds, that packets may stay behind it.
_SLACK: Final = 50
_SLACK_SECONDS: Final = 1.0


class Ending(msgspec.Struct, frozen=True):
    """``stated``: the length that a source states, from its first timestamp on; ``reached``: the
    length that its packets reach. Both in seconds."""

    stated: float | None
    reached: float

    @property
    def early(self) -> bool:
        """Whether the file lacks its end."""
        return self.stated is not None and self.reached < self.stated - _slack(self.stated)


def ending(stated: float | None, start: float, last: float) -> Ending:
    """The ending of a source that states a length of ``stated`` seconds.

    ``start`` and ``last``: the first timestamp and the end of the last packet. Where the first one
    is not 0, some containers state the time of the end instead of the length.
    """
    reached = last - start
    if stated is None or start <= 0 or stated <= start:
        return Ending(stated, reached)
    found = Ending(stated - start, reached)
    return found if not found.early or start > _slack(stated) else Ending(stated, reached)


def _slack(stated: float) -> float:
    return max(_SLACK_SECONDS, stated / _SLACK)


def with_note(facts: SourceFacts, ending: Ending) -> SourceFacts:
    """The facts of a source that lacks its end, which say so."""
    note = SourceNote(
        code=ENDS_EARLY,
        text=f"The file says that it lasts {clock(ending.stated or 0)}, but it ends at "
        f"{clock(ending.reached)}. Everything up to there is kept.",
    )
    return msgspec.structs.replace(facts, notes=(*facts.notes, note))


def another_follows(pages: bytes) -> bool:
    """Whether another recording begins after the first of ``pages`` of Ogg.

    ffmpeg reads on where it is of the same kind, and else stops before it.
    """
    at = 0
    while pages[at : at + 4] == b"OggS" and len(pages) >= at + 27:
        if at and pages[at + 5] & 0x02:
            return True
        segments = at + 27 + pages[at + 26]
        at = segments + sum(pages[at + 27 : segments])
    return False


def file_follows(container: str, end: bytes) -> bool:
    """Whether another file of the kind begins in ``end``, the bytes from the last packet on.

    ffmpeg reads on into a second Matroska file, and no further; into one of Flash by chance only;
    into none of the others.
    """
    beginning = _BEGINNINGS.get(container)
    return beginning is not None and beginning.search(end) is not None


def with_rest(facts: SourceFacts) -> SourceFacts:
    """The facts of a source that goes on with recordings which are not played."""
    kept = {
        "matroska": "one after the other, of which no more than two can be read",
        "flv": "one after the other, of which not all can be read",
        "ogg": f"of different kinds, {_FIRST}",
        "flac": f"of different kinds, {_FIRST}",
    }.get(facts.container, _FIRST)
    note = SourceNote(
        code="rest_left_out",
        text=f"The file holds several recordings {kept}. Save the others as files of their own, and"
        " upload them too.",
    )
    return msgspec.structs.replace(facts, notes=(*facts.notes, note))


def is_cut(facts: SourceFacts) -> bool:
    """Whether a source is known to lack its end."""
    return any(note.code == ENDS_EARLY for note in facts.notes)


def clock(seconds: float) -> str:
    """``7:12`` or ``1:07:12``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
