"""Which objects of captions a video's log names. Pure.

They lie below a folder of their own: what the log does not name there was replaced, removed, or
never recorded.
"""

from collections.abc import Iterable, Mapping

from services.transcoder.coordinator.media_checks import Check
from shared.blobs.store import BlobInfo
from shared.contracts import CaptionsExtracted, CaptionsRemoved, CaptionsStored, Event, StoredObject


def named_captions(
    events: Iterable[Event], extracted: CaptionsExtracted | None = None
) -> dict[str, StoredObject]:
    """The objects of a video's captions by their keys, from the events of its stream.

    ``extracted``: what a worker has made of the source's text tracks. In a language of which the
    video's stream says nothing, the catalog has yet to take it over.
    """
    found: dict[str, StoredObject | None] = {}
    for event in events:
        match event:
            case CaptionsStored():
                found[event.track.language] = event.track.object
            case CaptionsRemoved():
                found[event.language] = None
            case _:
                pass
    for track in extracted.tracks if extracted else ():
        found.setdefault(track.language, track.object)
    return {stored.key: stored for stored in found.values() if stored is not None}


def caption_checks(
    events: Iterable[Event], extracted: CaptionsExtracted | None = None
) -> list[Check]:
    """The checks of the objects that are named."""
    named = named_captions(events, extracted).values()
    return [Check(each.key, 0, None, each.sha256, each.size) for each in named]


def wrong_captions(
    named: Mapping[str, StoredObject], held: Mapping[str, BlobInfo]
) -> dict[str, str]:
    """What is wrong with named objects, by key, as far as a listing of the bucket tells."""
    wrong: dict[str, str] = {}
    for key, stored in named.items():
        info = held.get(key)
        if info is None:
            wrong[key] = "it is missing"
        elif info.size != stored.size:
            wrong[key] = f"it has {info.size} bytes, not {stored.size}"
    return wrong
