"""The format of archived ranges: what was packed comes back, and anything else is refused."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from backports import zstd

from shared.event_store.archive.archive_format import (
    FORMAT,
    MAX_RAW_BYTES,
    ArchivedEvent,
    BadArchive,
    Manifest,
    decode_manifest,
    digest,
    manifest_key,
    manifest_number,
    object_key,
    pack,
    read_manifest,
    unpack,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ID = UUID(int=7)


def event(position: int) -> ArchivedEvent:
    return ArchivedEvent(
        position=position,
        stream_id="video-1",
        version=position,
        type="VideoRenamed",
        schema_version=1,
        event_id=ID,
        recorded_at=NOW,
        metadata=msgspec.Raw(b"{}"),
        data=msgspec.Raw('{"title":"Größe 1 &lt; 2"}'.encode()),
    )


def manifest_of(packed: bytes, size: int, **changes: Any) -> Manifest:
    """The manifest of the second range, positions 11 to 13, or one that differs in ``changes``."""
    described: dict[str, Any] = {
        "format": FORMAT,
        "number": 2,
        "first": 11,
        "last": 13,
        "last_event_id": ID,
        "object": "log/events/x",
        "bytes": len(packed),
        "sha256": digest(packed),
        "raw_bytes": size,
        "previous": "abc",
        "created_at": NOW,
    }
    return Manifest(**described | changes)


EVENTS = [event(position) for position in (11, 12, 13)]
DATA, RAW_BYTES = pack(EVENTS)
BEFORE = manifest_of(DATA, RAW_BYTES, number=1, first=1, last=10, previous=None)


def test_what_was_packed_comes_back() -> None:
    assert unpack(manifest_of(DATA, RAW_BYTES), DATA) == EVENTS
    assert len(zstd.decompress(DATA)) == RAW_BYTES


def test_a_changed_object_is_refused_before_it_is_unpacked() -> None:
    for changed in (DATA[:-1], DATA + b"\0", bytes([DATA[0] ^ 1]) + DATA[1:]):
        with pytest.raises(BadArchive, match="not the object"):
            unpack(manifest_of(DATA, RAW_BYTES), changed)
    with pytest.raises(BadArchive, match="not the object"):
        unpack(manifest_of(DATA, RAW_BYTES, bytes=len(DATA) + 1), DATA)


@pytest.mark.parametrize("stated", [RAW_BYTES - 1, RAW_BYTES + 1, 1])
def test_the_stated_size_is_the_true_one(stated: int) -> None:
    with pytest.raises(BadArchive, match="another size"):
        unpack(manifest_of(DATA, stated), DATA)


def test_an_object_that_claims_to_be_small_is_not_unpacked_whole() -> None:
    bomb = zstd.compress(bytes(100_000_000))
    with pytest.raises(BadArchive, match="another size"):
        unpack(manifest_of(bomb, 1000), bomb)


def test_the_object_proves_itself_without_its_manifest() -> None:
    """The checksum of zstd's own format lets ``zstd -t`` find damage, too."""
    with pytest.raises(zstd.ZstdError):
        zstd.decompress(DATA[:-1] + bytes([DATA[-1] ^ 1]))


def test_an_object_that_ends_with_an_empty_block_is_whole() -> None:
    raw = zstd.decompress(DATA)
    written = zstd.ZstdCompressor()
    apart = written.compress(raw, mode=zstd.ZstdCompressor.FLUSH_BLOCK)
    apart += written.flush(zstd.ZstdCompressor.FLUSH_FRAME)
    assert unpack(manifest_of(apart, len(raw)), apart) == EVENTS


def test_an_object_cut_off_by_its_writer_is_refused() -> None:
    raw = zstd.decompress(DATA)
    whole = zstd.ZstdCompressor()
    # A flushed block without the end of the frame: every byte can be read, yet more could follow.
    unfinished = whole.compress(raw, mode=zstd.ZstdCompressor.FLUSH_BLOCK)
    with pytest.raises(BadArchive, match="another size"):
        unpack(manifest_of(unfinished, len(raw)), unfinished)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"no zstd at all", "does not unpack"),
        (zstd.compress(b"{}\n"), "no event"),
        (zstd.compress(b"\xff\xfe"), "no event"),
    ],
)
def test_what_holds_no_events_is_refused(content: bytes, problem: str) -> None:
    raw_bytes = 3 if problem != "no event" else len(zstd.decompress(content))
    with pytest.raises(BadArchive, match=problem):
        unpack(manifest_of(content, raw_bytes), content)


@pytest.mark.parametrize(
    "positions",
    [(11, 12), (12, 13), (11, 12, 13, 14), (10, 11, 12, 13), (11, 13, 12), (11, 11, 12, 13), ()],
)
def test_a_range_holds_its_positions_once_and_in_order(positions: tuple[int, ...]) -> None:
    data, raw_bytes = pack([event(position) for position in positions])
    with pytest.raises(BadArchive, match=r"its positions|another size"):
        unpack(manifest_of(data, raw_bytes), data)


def encoded(**changes: Any) -> bytes:
    return msgspec.json.encode(manifest_of(DATA, RAW_BYTES, **changes))


def test_a_manifest_that_follows_the_one_before_is_read() -> None:
    assert read_manifest(encoded(), 2, BEFORE, "abc") == manifest_of(DATA, RAW_BYTES)
    first = msgspec.json.encode(BEFORE)
    assert read_manifest(first, 1, None, None) == BEFORE == decode_manifest(first)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"format": FORMAT + 1}, "unknown format"),
        ({"number": 3}, "says that it is number 3"),
        ({"raw_bytes": 0}, "impossible size"),
        ({"raw_bytes": -1}, "impossible size"),
        ({"raw_bytes": MAX_RAW_BYTES + 1}, "impossible size"),
        ({"previous": None}, "does not follow"),
        ({"previous": "abd"}, "does not follow"),
        ({"first": 10}, "does not begin where"),
        ({"first": 12}, "does not begin where"),
        ({"last": 10}, "does not begin where"),
    ],
)
def test_a_manifest_out_of_place_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadArchive, match=problem):
        read_manifest(encoded(**changes), 2, BEFORE, "abc")


def test_the_limits_of_a_range() -> None:
    for changes in ({"raw_bytes": MAX_RAW_BYTES}, {"raw_bytes": 1}, {"last": 11}):
        assert read_manifest(encoded(**changes), 2, BEFORE, "abc").number == 2


def test_the_first_range_begins_at_position_one() -> None:
    late = msgspec.json.encode(msgspec.structs.replace(BEFORE, first=2))
    with pytest.raises(BadArchive, match="does not begin where"):
        read_manifest(late, 1, None, None)


@pytest.mark.parametrize("text", [b"", b"{}", encoded()[:-1] + b',"more":1}'])
def test_what_is_no_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(BadArchive, match="cannot be read"):
        read_manifest(text, 2, BEFORE, "abc")
    with pytest.raises(BadArchive, match="cannot be read"):
        decode_manifest(text)


def test_manifests_are_numbered_by_their_keys() -> None:
    for number in (1, 12, 1_234_567_890):
        assert manifest_number("log/", manifest_key("log/", number)) == number
    for key in ("log/events/1", "log/manifests/1.json", "log/manifests/0000000001.json.tmp"):
        assert manifest_number("log/", key) is None


def test_objects_sort_by_position_and_never_share_a_key() -> None:
    one, other = digest(b"1"), digest(b"2")
    key = object_key("log/", 1, 50, one)
    assert re.fullmatch(r"log/events/\d{19}-\d{19}-[0-9a-f]{16}\.jsonl\.zst", key)
    assert key == object_key("log/", 1, 50, one) != object_key("log/", 1, 50, other)
    assert key < object_key("log/", 51, 60, other) < object_key("log/", 1000, 1010, one)
