"""The captions of a video, and which text tracks of its source become some. Pure."""

from collections.abc import Sequence
from typing import Final

from shared.contracts import CaptionsRemoved, CaptionsStored, CaptionTrack

MAX_CAPTIONS: Final = 30
"""The limit of languages in which one video has captions."""


def captions_in(tracks: Sequence[CaptionTrack], language: str) -> CaptionTrack | None:
    """The captions in a language."""
    return next((track for track in tracks if track.language == language), None)


def with_captions(
    tracks: Sequence[CaptionTrack], event: CaptionsStored | CaptionsRemoved
) -> tuple[CaptionTrack, ...]:
    """The captions of a video after an event, in the order of their languages."""
    stored = isinstance(event, CaptionsStored)
    language = event.track.language if stored else event.language
    others = [track for track in tracks if track.language != language]
    present = [*others, event.track] if stored else others
    return tuple(sorted(present, key=lambda track: track.language))


def takeable(
    captions: Sequence[CaptionTrack], removed: Sequence[str], found: Sequence[CaptionTrack]
) -> tuple[CaptionTrack, ...]:
    """Which text tracks of the source become captions of the video.

    Never those in a language in which a person has stored some, or has ``removed`` them; nor more
    than a video may have.
    """
    room = MAX_CAPTIONS - len(captions)
    taken: list[CaptionTrack] = []
    for track in found:
        before = captions_in(captions, track.language)
        if track.language in removed or (before and before.origin == "upload"):
            continue
        if before is not None and before.object.sha256 == track.object.sha256:
            continue
        if before is None:
            if room <= 0:
                continue
            room -= 1
        taken.append(track)
    return tuple(taken)


def with_removed(
    removed: Sequence[str], event: CaptionsStored | CaptionsRemoved
) -> tuple[str, ...]:
    """The languages in which a person has removed captions, after an event."""
    if isinstance(event, CaptionsRemoved) and event.language not in removed:
        return (*removed, event.language)
    return tuple(removed)
