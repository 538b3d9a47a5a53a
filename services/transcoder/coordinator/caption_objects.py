"""Which objects of captions a video's log names. Pure.

The catalog writes them below a folder of their own, and no transcode knows of them: what the log
does not name there was replaced, removed, or never recorded.
"""

from collections.abc import Iterable, Mapping

from services.transcoder.coordinator.media_checks import Check
from shared.blobs.store import BlobInfo
from shared.contracts import CaptionsRemoved, CaptionsStored, Event, StoredObject


def named_captions(events: Iterable[Event]) -> dict[str, StoredObject]:
    """The objects of a video's captions by their keys, from the events of its stream."""
    found: dict[str, StoredObject] = {}
    for event in events:
        match event:
            case CaptionsStored():
                found[event.track.language] = event.track.object
            case CaptionsRemoved():
                found.pop(event.language, None)
            case _:
                pass
    return {stored.key: stored for stored in found.values()}


def caption_checks(events: Iterable[Event]) -> list[Check]:
    """The checks of the objects that are named."""
    named = named_captions(events).values()
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
