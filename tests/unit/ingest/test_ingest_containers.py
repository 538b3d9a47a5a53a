"""Recognising containers: real files of every kind, disguises, and any bytes at all."""

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.containers import (
    HEAD_BYTES,
    MOST_BYTES,
    is_hopeless,
    looks_like,
    may_follow,
    recognise,
)
from services.ingest.packet_patterns import transport_stream
from shared.containers import CONTAINERS, Container
from tests.support.made_containers import ONLY_SOUND, WITH_PICTURE, make_container, run_ffmpeg

WEB = Path(__file__).resolve().parents[3] / "web" / "src" / "upload" / "files.ts"
# No encoder at hand makes these.
HEADS = {
    "amr": b"#!AMR\n<\x91\x17\x16\xbef\x79\xe1\xe0\x01\xe7\x8c",
    "dav": b"DHAV\xfd\0\0\0" + bytes(60),
    "ape": b"MAC \x96\x0f\0\0" + bytes(60),
}
MADE = (*WITH_PICTURE, *ONLY_SOUND)
PICTURE = ("-f", "lavfi", "-i", "testsrc=size=176x144:rate=25:duration=0.4")
VARIANTS = {
    "MPEG-1": ("b.mpg", ["-f", "mpeg", "-c:v", "mpeg1video"], "mpeg"),
    "M2TS": ("b.m2ts", ["-mpegts_m2ts_mode", "1", "-c:v", "mpeg2video"], "ts"),
    "fragments": ("c.mp4", ["-movflags", "empty_moov+frag_keyframe", "-c:v", "mpeg4"], "mp4"),
    "segments": ("d.mp4", ["-movflags", "cmaf+dash", "-c:v", "mpeg4"], "mp4"),
    "3g2": ("b.3g2", ["-c:v", "mpeg4"], "3gp"),
    "OpenDML": ("b.avi", ["-c:v", "rawvideo", "-pix_fmt", "yuv420p"], "avi"),
}
IMAGES = {"a.png": "an image", "a.jpg": "an image", "a.gif": "an image", "a.bmp": "an image"}
TAG = b"ID3\4\0\0"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A file of every container that ffmpeg can make."""
    folder = tmp_path_factory.mktemp("made")
    return {name: make_container(folder, name, seconds=0.4).read_bytes() for name in MADE}


def made(folder: Path, name: str, arguments: list[str]) -> bytes:
    """The first bytes of a file that ffmpeg wrote."""
    return run_ffmpeg(folder / name, *PICTURE, *arguments).read_bytes()[:HEAD_BYTES]


def name_of(data: bytes) -> str | None:
    container = recognise(data[:HEAD_BYTES])
    return None if container is None else container.name


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container.name)
def test_every_accepted_container(files: dict[str, bytes], container: Container) -> None:
    assert recognise(({**files, **HEADS}[container.name])[:HEAD_BYTES]) == container


@pytest.mark.parametrize("variant", VARIANTS)
def test_their_variants(tmp_path: Path, variant: str) -> None:
    filename, arguments, name = VARIANTS[variant]
    assert name_of(made(tmp_path, filename, arguments)) == name


@pytest.mark.parametrize("cut", [1, 4, 100, 187, 188, 1000])
def test_a_transport_stream_may_begin_in_mid_packet(files: dict[str, bytes], cut: int) -> None:
    assert name_of(files["ts"][cut:]) == "ts"


@pytest.mark.parametrize("junk", [10, 900, 5000, 30_000])
def test_a_transport_stream_may_begin_with_anything(files: dict[str, bytes], junk: int) -> None:
    assert name_of(b"\x9a\xbc\xde\x47" * (junk // 4) + files["ts"]) == "ts"


@pytest.mark.parametrize("junk", [HEAD_BYTES, 200_000, 900_000])
def test_a_transport_stream_may_begin_far_behind(files: dict[str, bytes], junk: int) -> None:
    behind = b"\x9a\xbc\xde\x47" * (junk // 4) + files["ts"]
    found = recognise(behind[:MOST_BYTES])
    assert found is not None
    assert found.name == "ts"
    assert may_follow(behind[:HEAD_BYTES])


@pytest.mark.parametrize("packet", [0, 1, 2, 3, 5, 20])
def test_a_transport_stream_may_be_damaged(files: dict[str, bytes], packet: int) -> None:
    damaged = bytearray(files["ts"])
    damaged[188 * packet] ^= 4
    assert name_of(bytes(damaged)) == "ts"


@pytest.mark.parametrize("packet", [3, 12, 20])
def test_a_transport_stream_may_lack_bytes(files: dict[str, bytes], packet: int) -> None:
    whole, at = files["ts"], 188 * packet
    assert name_of(whole[:at] + whole[at + 50 :]) == "ts"


@pytest.mark.parametrize("place", [0, 9, 2000])
def test_a_transport_stream_may_hold_zeros(files: dict[str, bytes], place: int) -> None:
    assert name_of(files["ts"][:place] + bytes(3000) + files["ts"][place:]) == "ts"


def test_a_transport_stream_with_error_correction(files: dict[str, bytes]) -> None:
    whole = files["ts"]
    packets = [whole[at : at + 188] + b"\x47" * 16 for at in range(0, len(whole), 188)]
    assert name_of(b"".join(packets)) == "ts"
    assert name_of(b"".join(packets)[77:]) == "ts"


def test_a_scrambled_transport_stream_is_one(files: dict[str, bytes]) -> None:
    scrambled = bytearray(files["ts"])
    scrambled[3::188] = bytes(byte | 0x80 for byte in scrambled[3::188])
    assert name_of(bytes(scrambled)) == "ts"


@pytest.mark.parametrize("cut", [1, 20, 700, 3000])
def test_a_program_stream_may_begin_with_anything(files: dict[str, bytes], cut: int) -> None:
    assert name_of(files["mpeg"][cut:]) == "mpeg"
    assert name_of(b"\x9a\xbc\xde" * cut + files["mpeg"]) == "mpeg"


def test_a_program_stream_on_a_video_cd(files: dict[str, bytes]) -> None:
    assert name_of(b"RIFF\x24\0\0\0CDXAfmt " + bytes(28) + files["mpeg"]) == "mpeg"


@pytest.mark.parametrize(
    "before",
    [
        b"\0\0\0\x10free" + bytes(8),
        b"\0\0\0\x08skip\0\0\0\x08wide",
        b"\0\0\0\x18uuid" + bytes(16),
        b"\0\0\0\x01free\0\0\0\0\0\0\x10\0" + bytes(4080),
    ],
)
def test_boxes_may_precede_the_file_type(files: dict[str, bytes], before: bytes) -> None:
    for name in ("mp4", "m4a", "3gp"):
        assert name_of(before + files[name]) == name
    still = b"\0\0\0\x1cftypheic\0\0\0\0" + bytes(100)
    assert name_of(before + still) is None


@pytest.mark.parametrize(
    "first",
    [
        b"\0\0\0\x18stypmsdh\0\0\0\0msdhmsix",
        b"\0\0\0\x10moof\0\0\0\x08mfhd",
        b"\0\0\0\x10emsg" + bytes(8) + b"\0\0\0\x10moof" + bytes(8),
    ],
)
def test_segments_of_a_stream_are_mp4(first: bytes) -> None:
    assert name_of(first + bytes(1000)) == "mp4"


def test_boxes_that_lead_nowhere_are_nothing() -> None:
    assert name_of(b"\0\0\0\x10free" + bytes(8) + b"Dear diary, " * 100) is None
    assert name_of(b"\0\0\0\x08free\0\0\0\x04ftypisom" + bytes(100)) is None


def test_sound_behind_a_tag_of_any_size(files: dict[str, bytes]) -> None:
    for name in ("mp3", "aac", "flac"):
        assert name_of(TAG + b"\0\0\x08\0" + bytes(1024) + files[name]) == name
        # A cover of some megabytes: what follows is not in sight.
        assert name_of(TAG + b"\2\0\0\0" + b"\xab" * HEAD_BYTES) == "mp3"


@pytest.mark.parametrize("name", ["mp3", "aac", "ac3", "eac3"])
def test_sound_may_begin_in_mid_frame(files: dict[str, bytes], name: str) -> None:
    assert name_of(files[name][100:]) == name


def test_h264_of_broadcasts_is_no_mpeg_4() -> None:
    units = (b"\x09\xf0", b"\x27\x64\0\x28", b"\x28\xee", b"\x25\x88" + b"\xab" * 500)
    assert name_of(b"".join(b"\0\0\0\1" + unit for unit in units)) == "h264"


def test_mxf_may_begin_with_a_run_in(files: dict[str, bytes]) -> None:
    assert name_of(b"\x01" * 5000 + files["mxf"]) == "mxf"


def test_whether_a_picture_moves(tmp_path: Path, files: dict[str, bytes]) -> None:
    assert name_of(files["gif"]) == "gif"
    # The second picture of a large one is not in sight.
    large = made(tmp_path, "b.gif", ["-vf", "scale=1280:960,noise=alls=90"])
    assert len(large) == HEAD_BYTES
    assert name_of(large) == "gif"
    assert name_of(files["apng"]) == "apng"


@pytest.mark.parametrize("filename", IMAGES)
def test_images_are_refused(tmp_path: Path, filename: str) -> None:
    head = made(tmp_path, filename, ["-frames:v", "1"])
    assert recognise(head) is None
    assert looks_like(head) == IMAGES[filename]


def test_names_of_containers_are_unique() -> None:
    assert len({container.name for container in CONTAINERS}) == len(CONTAINERS)


def test_the_client_offers_the_same_files() -> None:
    listed = re.search(r"EXTENSIONS: readonly string\[\] = \[([^\]]*)\]", WEB.read_text())
    assert listed is not None
    endings = re.findall(r"'(\w+)'", listed[1])
    assert endings == list(dict.fromkeys(e for c in CONTAINERS for e in c.endings))


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", "an empty file"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\nhttp://169.254.169.254/\n", "a playlist"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "a playlist"),
        (b"<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'>", "a playlist"),
        (b"PK\3\4" + bytes(100), "an archive"),
        (b"\x1f\x8b" + bytes(100), "an archive"),
        (bytes(257) + b"ustar\0" + bytes(100), "an archive"),
        (b"%PDF-1.7", "a document"),
        (b"\x7fELF" + bytes(100), "a program"),
        (b"Dear diary,\n", "text"),
        (b"G" * HEAD_BYTES, "text"),
        (b"\0\0\0\x1cftypheic\0\0\0\0" + bytes(100), "an image"),
        (b"\0\0\0\x1cftypavif\0\0\0\0" + bytes(100), "an image"),
        (b"\0\0\0\x1cftypaax \0\0\0\0" + bytes(100), "a protected audio book"),
        (b"RIFF\x24\0\0\0WEBPVP8X" + bytes(100), "an image"),
        (bytes(4096), "another kind of file"),
    ],
)
def test_disguises(head: bytes, kind: str) -> None:
    assert recognise(head) is None
    assert looks_like(head) == kind


@pytest.mark.parametrize("brand", [b"avis", b"msf1", b"hevc"])
def test_sequences_of_images_are_moving_pictures(brand: bytes) -> None:
    assert name_of(b"\0\0\0\x1cftyp" + brand + bytes(100)) == "avif"


def test_what_is_certain_early_is_refused_early(files: dict[str, bytes]) -> None:
    assert is_hopeless(b"#EXTM3U\n" + b"#" * 5000)
    assert is_hopeless(b"PK\3\4" + bytes(5000))
    assert not is_hopeless(b"#EXTM3U\n")
    # Its second picture, or the end of the junk before it, may come later.
    assert not is_hopeless(b"GIF89a" + bytes(5000))
    assert not is_hopeless(b"\x9a" * 5000)
    assert not any(is_hopeless(data[:5000]) for data in files.values())


_MAGIC = st.sampled_from(
    [
        b"\0\0\0\x20ftyp",
        b"\0\0\0\x08moov",
        b"\0\0\0\x01mdat",
        b"\x1a\x45\xdf\xa3",
        b"RIFF",
        b"FLV\x01",
        b"\0\0\x01\xba",
        b"OggS\0\2",
        b"ID3\4\0\0\0\0\0\4",
        b"GIF89a",
        b"\x89PNG\r\n\x1a\n",
        b"\0\0\x01\xe0",
        b"\0\0\x01\x67",
        b"\xff\xfb\x90\0",
        b"\x0b\x77",
        b"\0\0\0\x08free",
        b"\x1f\x07\0\x3f",
        b"G",
        b"",
    ]
)


@given(_MAGIC, st.binary(max_size=600))
def test_any_bytes_have_an_answer(magic: bytes, rest: bytes) -> None:
    head = magic + rest
    container = recognise(head)
    assert container is None or container in CONTAINERS
    assert looks_like(head)


@given(st.integers(0), st.binary(max_size=8))
def test_random_bytes_are_no_transport_stream(seed: int, often: bytes) -> None:
    # Bytes that are more frequent than others, as in text and in pictures.
    letters = often * 20 + bytes(range(256))
    noise = bytes(random.Random(seed).choices(letters, k=16 << 10))
    assert transport_stream(noise) is None


@given(st.integers(0), st.sampled_from([b"ACGT", b"GATTACA\n", b"G \n0", b"GT"]))
def test_letters_are_no_transport_stream(seed: int, letters: bytes) -> None:
    text = bytes(random.Random(seed).choices(letters, k=16 << 10))
    assert name_of(text) is None
    assert name_of(b"\xff\0" + text) is None


@given(st.text(max_size=2000))
def test_no_text_is_a_video(text: str) -> None:
    printable = "".join(char for char in text if char.isprintable() or char in "\r\n\t")
    assert recognise(printable.encode()) is None


@given(st.integers(0, HEAD_BYTES))
def test_a_cut_head_is_never_another_container(length: int) -> None:
    whole = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\x82\x84webm" + bytes(4000)
    assert recognise(whole).name == "webm"  # type: ignore[union-attr]
    cut = recognise(whole[:length])
    assert cut is None or cut.name == "webm"
