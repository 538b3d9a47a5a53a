"""Box parsers given hostile files: they refuse or read, within memory and time that the file's own
size explains (OWASP ASVS 5, V5.2: file upload and content)."""

import json
import struct
import time
import tracemalloc
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from services.ingest.containers import recognise
from services.transcoder.encoding.source_reader import IndexedSource, SourceSlice
from services.transcoder.mp4 import fragment_writer
from services.transcoder.mp4.sample_index import SampleIndex, read_index
from services.transcoder.planning.ffprobe_answer import parse_report
from services.transcoder.planning.media_errors import MediaRejected
from services.transcoder.planning.passthrough import check_passthrough
from services.transcoder.planning.probe_report import read_source
from shared.mp4 import fragment_reader
from shared.mp4.boxes import Box, MalformedMp4
from shared.mp4.sample_entry import codec_string
from tests.security.media.made_moov import Tables, box, film, full, moov
from tests.unit.transcoder.source_tracks import avc_entry, facts, track

MANY = 0xFFFFFFFF
MEGABYTE = 1 << 20
# CPU seconds that only work out of proportion takes, on any machine.
FAR_TOO_LONG = 10.0


class Measured:
    """The peak of memory in bytes and the CPU time in seconds of what is done while entered."""

    def __enter__(self) -> "Measured":
        tracemalloc.start()
        self._began = time.thread_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.thread_time() - self._began
        self.peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


def refused(data: bytes, file_size: int) -> Measured:
    with Measured() as cost, pytest.raises(MalformedMp4):
        read_index(data, file_size)
    return cost


def test_samples_of_one_size_are_in_proportion_to_the_file_over_all_tracks() -> None:
    data = moov(*[film(2_000_000, size=1)] * 32)
    assert len(data) < 16_000
    cost = refused(data, len(data) + 48)
    assert cost.peak < MEGABYTE
    assert cost.seconds < FAR_TOO_LONG
    # Each track alone is in proportion, also in a file that is cut short; all together are not.
    assert refused(moov(*[film(1_000, size=10)] * 32), 4_000).peak < MEGABYTE
    assert len(read_index(moov(*[film(1_000, size=10)] * 9), 4_000).tracks) == 9


def test_all_tracks_share_one_number_of_samples() -> None:
    cost = refused(moov(*[film(2_000_000, size=1)] * 32), 1 << 40)
    assert cost.peak < 256 * MEGABYTE


@pytest.mark.parametrize(
    "tables",
    [
        pytest.param(film(10)._replace(stts=struct.pack(">III", 1, MANY, 1)), id="stts"),
        pytest.param(film(10)._replace(stts=struct.pack(">III", MANY, 10, 1)), id="stts entries"),
        pytest.param(film(10)._replace(stsz=struct.pack(">II", 0, MANY)), id="stsz"),
        pytest.param(film(10)._replace(stsz=struct.pack(">II", MANY, MANY)), id="stsz sizes"),
        pytest.param(film(10)._replace(stco=struct.pack(">II", MANY, 48)), id="stco"),
        pytest.param(film(10)._replace(stsc=struct.pack(">IIII", MANY, 1, 10, 1)), id="stsc"),
        pytest.param(
            film(10)._replace(
                stco=struct.pack(">I100000I", 100_000, *range(100_000)),
                stsc=struct.pack(">I60000I", 20_000, *[1, 0, 1, 100_000, 0, 1] * 10_000),
            ),
            id="stsc that goes back and forth",
        ),
        pytest.param(
            film(10)._replace(elst=struct.pack(">I", 200_000) + b"\0\0\0\1\xff\xff\xff\xff\0\1\0\0"
                              * 200_000),
            id="empty edits",
        ),
    ],
)  # fmt: skip
def test_a_table_that_says_more_than_it_holds_is_refused(tables: Tables) -> None:
    data = moov(tables)
    cost = refused(data, len(data))
    assert cost.peak < 8 * MEGABYTE + 8 * len(data)
    assert cost.seconds < FAR_TOO_LONG


def test_a_box_full_of_tiny_boxes_is_refused() -> None:
    data = moov(film(10), extra=box("free") * 300_000)
    cost = refused(data, len(data))
    assert cost.peak < 32 * MEGABYTE


def test_the_cache_counts_tables_as_well_as_bytes() -> None:
    index = read_index(moov(film(100_000, size=1)), 1 << 20)
    known = IndexedSource(index, (SourceSlice(0, bytes(1000)),), 1 << 20)
    assert known.weight >= 1000 + 100_000 * (4 + 8 + 8)


def mutated(data: bytes, chance: Random) -> bytes:
    """``data`` with a few faults: bytes, numbers, lengths of boxes, parts lost or doubled."""
    made = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(max(1, len(made) - 8))
        made += bytes(max(0, 16 - len(made)))
        match chance.randrange(6):
            case 0:
                made[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 1:
                number = chance.choice((0, 1, 7, 8, 0x7FFFFFFF, MANY, 2_200_000, len(made)))
                made[at : at + 4] = struct.pack(">I", number)
            case 2:
                made[at : at + 8] = struct.pack(">Q", chance.choice((0, 1 << 40, (1 << 64) - 1)))
            case 3:
                del made[at : at + chance.choice((1, 4, 8, 64))]
            case 4:
                part = made[at : at + chance.choice((8, 64, 512))]
                made[at:at] = part * chance.choice((1, 3))
            case _:
                del made[at + 8 :]
    return bytes(made)


def read_whole(data: bytes) -> None:
    index = read_index(data, len(data) + 1000)
    for each in index.tracks:
        assert each.count == len(each.offsets) == len(each.decode) == len(each.composition)
        each.bytes_between(0.5, 1.0, 8)
        _ = each.longest, each.start, each.finish
    _ = index.reach, index.picture, index.weight


def fragments() -> bytes:
    run = full("trun", struct.pack(">I", 2), struct.pack(">IIII", 24, 100, 24, 100))
    run = run[:8] + struct.pack(">I", 0x300) + run[12:]
    header = full("tfhd", struct.pack(">I", 1))
    moof = box("moof", full("mfhd", bytes(4)), box("traf", header, full("tfdt", bytes(4)), run))
    return (moof + box("mdat", bytes(200))) * 3


def sound_entry() -> bytes:
    decoder = b"\x04\x80\x80\x80\x14" + bytes(13) + b"\x05\x02\x11\x90"
    return box("mp4a", bytes(28), full("esds", b"\x03\x19\0\1\0" + decoder))


def read_entry(data: bytes) -> None:
    codec_string(data, Box(data[4:8].decode("latin-1"), 0, len(data), 8))


def cut_from(data: bytes) -> None:
    """What a passthrough makes of a source whose sample entry is hostile."""
    made = track([(50, False)] * 4, entry=data)
    if check_passthrough(facts(made), made, 25, 0.0).reason is None:  # type: ignore[arg-type]
        clock = fragment_writer.output_clock(made, 0, 25_000)
        fragment_writer.write_init_segment(made, clock)
        fragment_writer.codecs(made)
        fragment_writer.has_idr(bytes(range(256)) * 8, data)


def report() -> bytes:
    video: dict[str, Any] = {
        "codec_type": "video",
        "codec_name": "h264",
        "width": 1920,
        "height": 1080,
        "r_frame_rate": "30/1",
    }
    video |= {"duration": "10.0", "sample_aspect_ratio": "4:3", "tags": {"language": "eng"}}
    light = {"red_x": "34000/50000", "max_luminance": "1000/1", "max_content": 1000}
    video["side_data_list"] = [light, {"dv_profile": 8, "dv_bl_signal_compatibility_id": 4}]
    audio = {"codec_type": "audio", "codec_name": "aac", "channels": 2, "index": 1}
    audio |= {"sample_rate": "44100"}
    return json.dumps({"streams": [video, audio], "format": {"format_name": "mp4"}}).encode()


def read_report(data: bytes) -> None:
    read_source(parse_report(data), 1000)


PARSERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "index": (read_whole, moov(film(50), film(20, size=7)._replace(handler=b"soun"))),
    "fragments": (fragment_reader.read_fragments, fragments()),
    "init segment": (fragment_reader.read_init_segment, box("ftyp", b"iso6") + moov(film(1))),
    "track": (fragment_reader.read_track, moov(film(1))),
    "picture's entry": (read_entry, avc_entry()),
    "sound's entry": (read_entry, sound_entry()),
    "HEVC entry": (read_entry, box("hvc1", bytes(78), box("hvcC", bytes(range(1, 24))))),
    "AV1 entry": (
        read_entry,
        box("av01", bytes(78), box("av1C", b"\x81\x05\x0c\0"), box("colr", b"nclx" + bytes(7))),
    ),
    "passthrough": (cut_from, avc_entry()),
    "container": (recognise, box("ftyp", b"isom", bytes(200))),
    "EBML": (recognise, b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x88matroska" + bytes(99)),
    "report": (read_report, report()),
}


@pytest.mark.parametrize("name", PARSERS)
def test_mutants_are_refused_or_read_within_their_size(name: str) -> None:
    parse, data = PARSERS[name]
    parse(data)
    chance = Random(11)
    read = 0
    for number in range(700):
        mutant = mutated(data, chance)
        with Measured() as cost:
            try:
                parse(mutant)
                read += 1
            except (MalformedMp4, MediaRejected):
                pass
        assert cost.peak < MEGABYTE + 200 * len(mutant), number
        assert cost.seconds < FAR_TOO_LONG, number
    assert read, "every mutant is refused at its first byte: they test nothing"


def test_an_index_that_was_read_says_where_every_sample_is() -> None:
    index: SampleIndex = read_index(moov(film(50)), 100_000)
    assert index.reach == 48 + 50 * 100
