"""Each field of each event is declared public or private; only public ones are shown."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.catalog.read_model.public_events import FIELDS, Fields, feed_data, public_fields
from shared.contracts import (
    EVENT_TYPES,
    SCHEMA_VERSIONS,
    Event,
    decode,
    events,
    live_events,
    media,
)

GOLDEN = Path(__file__).resolve().parents[2] / "contract" / "golden"
DERIVED = {
    "TranscodePlanned": {"duration_ms", "chunks", "notes"},
    "CaptionsStored": {"language", "kind", "label", "origin"},
}


def event_structs() -> list[type[Event]]:
    """Every event in shared/contracts, also one that the registry does not have yet."""
    found = {**vars(events), **vars(live_events)}.values()
    return [
        kind
        for kind in found
        if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
    ]


def problems(kinds: Iterable[type[msgspec.Struct]]) -> list[str]:
    """Undeclared structs, fields that are not declared exactly once, fields that do not exist."""
    found: list[str] = []
    for kind in kinds:
        declared = FIELDS.get(kind)
        if declared is None:
            found.append(f"{kind.__name__} is not declared")
            continue
        names = [*declared.public, *declared.private]
        expected = sorted(kind.__struct_fields__)
        if sorted(names) != expected:
            wrong = sorted(set(names) ^ set(expected)) or "a field twice"
            found.append(f"{kind.__name__} declares wrongly: {wrong}")
    return found


def inner_structs(kind: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """The structs inside public fields of ``kind``, at any depth."""
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in info.fields:
        if field.name in FIELDS.get(kind, Fields()).public:
            for inner in _structs(field.type):
                yield inner
                yield from inner_structs(inner)


def _structs(info: msgspec.inspect.Type) -> Iterator[type[msgspec.Struct]]:
    if isinstance(info, msgspec.inspect.StructType):
        yield info.cls
    elif isinstance(info, msgspec.inspect.VarTupleType):
        yield from _structs(info.item_type)
    elif isinstance(info, msgspec.inspect.UnionType):
        for option in info.types:
            yield from _structs(option)
    else:
        simple = (
            msgspec.inspect.StrType,
            msgspec.inspect.IntType,
            msgspec.inspect.FloatType,
            msgspec.inspect.BoolType,
            msgspec.inspect.NoneType,
            msgspec.inspect.LiteralType,
            msgspec.inspect.DateTimeType,
        )
        assert isinstance(info, simple), f"public_fields does not look into {info}"


def test_each_field_of_each_event_is_declared_public_or_private() -> None:
    assert len(event_structs()) >= len(EVENT_TYPES)

    assert problems(event_structs()) == []


def test_each_field_of_a_struct_inside_a_public_field_is_declared() -> None:
    inner = {struct for kind in event_structs() for struct in inner_structs(kind)}

    assert problems(inner) == []
    assert inner == set(FIELDS) - set(event_structs())
    assert inner >= {media.Rendition, media.PublishedRendition}


def test_a_forgotten_field_and_a_forgotten_event_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Invented(Event, frozen=True, kw_only=True):
        video_id: str
        email: str

    assert problems([Invented]) == ["Invented is not declared"]
    monkeypatch.setattr(events, "Invented", Invented, raising=False)
    assert Invented in event_structs()

    declared: dict[type[msgspec.Struct], Any] = {**FIELDS, Invented: FIELDS[events.TagRemoved]}
    monkeypatch.setattr(f"{__name__}.FIELDS", declared)
    assert problems([Invented]) == ["Invented declares wrongly: ['email', 'tag']"]
    assert public_fields(Invented(video_id="v", email="a@b.c")) == {}


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_exactly_the_public_fields_are_shown(name: str) -> None:
    data = (GOLDEN / f"{name}.v{SCHEMA_VERSIONS[name]}.json").read_bytes()
    event = decode(name, data)

    shown = public_fields(event)

    assert set(shown) == set(FIELDS[type(event)].public) | DERIVED.get(name, set())
    original = json.loads(msgspec.json.encode(event))
    for field in set(shown) - DERIVED.get(name, set()):
        assert json.loads(msgspec.json.encode(shown[field])) == original[field]


def test_frequent_events_are_not_in_the_feed() -> None:
    left_out = {
        name
        for name in EVENT_TYPES
        if feed_data(decode(name, (GOLDEN / f"{name}.v{SCHEMA_VERSIONS[name]}.json").read_bytes()))
        is None
    }

    of_lives = {"LivePublished", "LivePosterMade"}
    assert left_out == {"TranscodeProgressed", "ChunkEncoded", "AudioEncoded", *of_lives}
