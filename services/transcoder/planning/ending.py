"""Where a source ends: what it states against what its packets reach. Pure.

A full card, a crash or a broken download cuts a file short. What is there is kept, and the uploader
is told.
"""

from typing import Final

import msgspec

from shared.contracts import SourceFacts, SourceNote

ENDS_EARLY: Final = "ends_early"
# Containers that state no length: ffmpeg guesses it from the bit rate.
GUESSED: Final = frozenset(("aac", "ac3", "amr", "dts", "eac3", "mp3"))
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


def is_cut(facts: SourceFacts) -> bool:
    """Whether a source is known to lack its end."""
    return any(note.code == ENDS_EARLY for note in facts.notes)


def clock(seconds: float) -> str:
    """``7:12`` or ``1:07:12``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
