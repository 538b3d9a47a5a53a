"""Segments in one object: each in its byte range, none next to another."""

from itertools import pairwise

from services.transcoder.mp4.segment_object import pack_segments
from shared.contracts import Segment
from shared.mp4.boxes import boxes


def segment(index: int, size: int) -> Segment:
    return Segment(index=index, start=4 * index, duration=4, size=size)


def test_no_two_ranges_follow_each_other_without_a_gap() -> None:
    parts = [b"\0\0\0\x0cmoofabcd", b"\0\0\0\x09mdatx", b"\0\0\0\x08moof"]
    body, placed = pack_segments((segment(n, len(part)), part) for n, part in enumerate(parts))
    assert [body[s.offset : s.offset + s.size] for s in placed] == parts
    assert placed[0].offset > 0, "objects may be joined"
    for one, other in pairwise(placed):
        assert one.offset + one.size < other.offset
    # What lies between them is skipped by whoever reads the whole object.
    kinds = [box.kind for box in boxes(body)]
    assert kinds == ["free", "moof", "free", "mdat", "free", "moof"]
