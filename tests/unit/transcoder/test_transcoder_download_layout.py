"""How a video's objects lie in one file, and what is read to know their samples."""

import pytest

from services.transcoder.mp4.segment_object import GAP
from services.transcoder.planning.download_layout import lay_out
from services.transcoder.planning.sample_readings import HEAD_BYTES, described, readings
from shared.contracts import EncodedTrack, Segment
from shared.download_index import DownloadIndex, Part, Run, parts, read_index, write_index

SIZE = 1000


def track(name: str, segments: int, *, seconds: int = 4, size: int = SIZE, at: int = 0):
    """A track in one object: an init segment of 700 bytes, gaps between its segments."""
    found: list[Segment] = []
    offset = 700
    for number in range(segments):
        offset += len(GAP)
        start = (at + number) * seconds * 1000
        found.append(
            Segment(index=number, start=start, duration=seconds * 1000, size=size, offset=offset)
        )
        offset += size
    return EncodedTrack(
        name=name,
        timescale=1000,
        codecs="",
        init_key=f"v/a1/{name}/all.mp4",
        init_sha256="",
        key=f"v/a1/{name}/all.mp4",
        segments=tuple(found),
    )


def test_the_tracks_take_turns() -> None:
    layout = lay_out([[track("p", 6)], [track("s", 12, seconds=2, size=50)]], 24)
    assert layout.index.objects == ("v/a1/p/all.mp4", "v/a1/s/all.mp4")
    assert [run.holder for run in layout.index.runs] == [0, 1] * 3
    # What lies between two segments of an object goes with them: one request has both.
    gap = len(GAP)
    assert layout.index.runs[0] == Run(0, 700 + gap, 3 * SIZE + 2 * gap)
    assert list(layout.places[0])[:3] == [0, SIZE + gap, 2 * (SIZE + gap)]
    assert layout.places[1][0] == 3 * SIZE + 2 * gap
    assert layout.index.size == 6 * SIZE + 12 * 50 + 3 * gap + 9 * gap


def test_each_segment_is_where_its_place_says() -> None:
    picture = [track("p", 3), track("q", 4, at=3)]
    layout = lay_out([picture, [track("s", 7, size=40)]], 28)
    segments = [(part.key, segment) for part in picture for segment in part.segments]
    for place, (key, segment) in zip(layout.places[0], segments, strict=True):
        found = list(parts(Part("begin", 0, 0), layout.index, 1 + place, place + segment.size))
        assert found == [Part(key or "", segment.offset, segment.offset + segment.size - 1)]
    assert [run.holder for run in layout.index.runs] == [0, 1, 2, 1, 2, 1]


def test_a_long_film_has_a_bounded_list() -> None:
    day = 24 * 3600
    segments = [[track("p", day // 4, size=200_000)], [track("s", day // 4, size=60_000)]]
    layout = lay_out(segments, day)
    assert len(layout.index.runs) <= 4100
    assert len(write_index(layout.index)) < 200_000


def test_another_object_gives_another_mark() -> None:
    assert lay_out([[track("p", 3)]], 12).mark == lay_out([[track("p", 3)]], 12).mark
    assert lay_out([[track("p", 3)]], 12).mark != lay_out([[track("q", 3)]], 12).mark


def test_any_part_of_the_file_is_found() -> None:
    index = DownloadIndex(("v/a", "v/b"), (Run(0, 10, 5), Run(1, 0, 3), Run(0, 20, 4)))
    begin = Part("v/i", 0, 1)
    stored = {"v/i": b"IJxxx", "v/a": bytes(range(65, 91)), "v/b": b"xyz"}
    whole = b"IJ" + stored["v/a"][10:15] + b"xyz" + stored["v/a"][20:24]
    for first in range(len(whole)):
        for last in range(first, len(whole)):
            found = parts(begin, index, first, last)
            got = b"".join(stored[part.key][part.first : part.last + 1] for part in found)
            assert got == whole[first : last + 1]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"objects": ["w/a"], "runs": [[0, 0, 1]]}',
        b'{"objects": ["v/a"], "runs": [[1, 0, 1]]}',
        b'{"objects": ["v/a"], "runs": [[-1, 0, 1]]}',
        b'{"objects": ["v/a"], "runs": [[0, -1, 1]]}',
        b'{"objects": ["v/a"], "runs": [[0, 0, 0]]}',
    ],
)
def test_a_list_that_is_none_is_refused(data: bytes) -> None:
    assert read_index(data, "v") is None


def test_small_segments_are_read_together_and_of_large_ones_the_beginning() -> None:
    small = list(readings(track("s", 100, size=60_000)))
    assert sum(len(each.segments) for each in small) == 100
    assert len(small) == 2
    assert all(each.end - each.start <= 4 * 1024 * 1024 for each in small)
    large = list(readings(track("p", 3, size=900_000)))
    assert [each.end - each.start for each in large] == [HEAD_BYTES] * 3


def box(kind: bytes, body: bytes) -> bytes:
    return (len(body) + 8).to_bytes(4, "big") + kind + body


def test_a_beginning_is_enough_only_where_it_has_all_tables() -> None:
    segment = box(b"moof", bytes(100)) + box(b"mdat", bytes(500))
    stated = Segment(index=0, start=0, duration=1, size=len(segment))
    found = described(stated, segment[:130])
    assert found is not None
    assert len(found) == len(segment)
    assert described(stated, segment[:90]) is None
    assert described(stated, b"") is None
    # A second fragment in it: its tables are not in the beginning.
    two = box(b"moof", bytes(10)) + box(b"mdat", bytes(20)) + segment
    assert described(Segment(index=0, start=0, duration=1, size=len(two)), two[:60]) is None
