"""Whether a source's length is explained by its packets. Pure.

The output has a constant frame rate: between two frames of the source it repeats the first one. A
few bytes can state a gap, a last frame or an edit list of many hours, each second of which would
cost as much as a real one. So what repeats must be in proportion to what the file holds.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from services.transcoder.planning.media_errors import rejected
from services.transcoder.planning.probe_report import MAX_DURATION_S, ProbedSource

# A packet explains the time up to the next one, but at most so many seconds or output frames,
# whichever is longer: slides and silent screens change rarely.
_HOLD_SECONDS: Final = 10
_HOLD_FRAMES: Final = 250
# Output frames that need no explanation, and seconds of sound.
_FREE_FRAMES: Final = 1800
_FREE_SECONDS: Final = 60


def explained(found: ProbedSource) -> float | None:
    """The seconds of a source that its packets explain; None where not all packets were read."""
    if found.seconds is None:
        return None
    return _covered(found.seconds, _hold(found))


def is_explained(found: ProbedSource) -> bool:
    """Whether a source's packets explain its length. It is assumed where they are not known."""
    covered = explained(found)
    if covered is None or found.seconds is None:
        return True
    rate = found.frame_rate
    free = _FREE_FRAMES / float(rate) if rate else _FREE_SECONDS
    return _reach(found) - covered <= max(free, covered)


def least_length(found: ProbedSource) -> float:
    """The seconds that a source has at least: runs of seconds with packets, without their ends."""
    least = run = 0
    last: int | None = None
    for second in sorted(found.seconds or ()):
        run = run + 1 if last is not None and second == last + 1 else 1
        least += run > 2
        last = second
    return float(least)


def check_length(found: ProbedSource) -> None:
    """Raise MediaRejected for a source that is too long, or whose length is not explained."""
    reach = _reach(found)
    if reach > MAX_DURATION_S:
        raise rejected("media.too_long")
    if not is_explained(found):
        covered = explained(found) or 0.0
        raise rejected("media.gap", reach=_words(reach), covered=_words(min(reach, covered)))


def _reach(found: ProbedSource) -> float:
    """The seconds from the source's start to its end, or to the last packet of any track."""
    last = max(found.seconds, default=0) - found.start if found.seconds else 0.0
    return max(found.duration or 0.0, last)


def _hold(found: ProbedSource) -> float:
    rate = found.frame_rate
    return max(_HOLD_SECONDS, _HOLD_FRAMES / float(rate) if rate else 0.0)


def _covered(seconds: Iterable[int], hold: float) -> float:
    times = sorted(seconds)
    gaps = (later - earlier for earlier, later in pairwise(times))
    return sum(min(hold, gap) for gap in gaps) + (hold if times else 0.0)


def _words(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
