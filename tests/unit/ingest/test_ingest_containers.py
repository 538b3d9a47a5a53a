"""Recognising containers: real files of every kind, disguises, and any bytes at all."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.containers import HEAD_BYTES, looks_like, recognise

# Container → the ffmpeg muxer, codecs and file name that make one.
MADE = {
    "mp4": ("a.mp4", ["-c:v", "mpeg4"]),
    "m4v": ("a.m4v", ["-f", "ipod", "-c:v", "mpeg4"]),
    "mov": ("a.mov", ["-c:v", "mpeg4"]),
    "mkv": ("a.mkv", ["-c:v", "mpeg4"]),
    "webm": ("a.webm", ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8"]),
    "avi": ("a.avi", ["-c:v", "mpeg4"]),
    "flv": ("a.flv", ["-c:v", "flv"]),
    "wmv": ("a.wmv", ["-c:v", "wmv2"]),
    "mpeg": ("a.mpg", ["-c:v", "mpeg2video"]),
    "ts": ("a.ts", ["-c:v", "mpeg2video"]),
    "3gp": ("a.3gp", ["-c:v", "mpeg4"]),
    "ogv": ("a.ogv", ["-c:v", "libtheora"]),
}
VARIANTS = {
    "mpeg (MPEG-1)": ("b.mpg", ["-f", "mpeg", "-c:v", "mpeg1video"], "mpeg"),
    "m2ts": ("b.m2ts", ["-mpegts_m2ts_mode", "1", "-c:v", "mpeg2video"], "ts"),
    "fragmented mp4": ("c.mp4", ["-movflags", "empty_moov+frag_keyframe", "-c:v", "mpeg4"], "mp4"),
    "3g2": ("b.3g2", ["-c:v", "mpeg4"], "3gp"),
}
IMAGES = {"a.png": "an image", "a.jpg": "an image", "a.gif": "an image", "a.bmp": "an image"}


def made(folder: Path, name: str, arguments: list[str]) -> bytes:
    """The first bytes of a file that ffmpeg wrote."""
    path = folder / name
    source = ["-f", "lavfi", "-i", "testsrc=size=176x144:rate=25:duration=0.4"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *source, *arguments, str(path)]
    subprocess.run(command, check=True)
    return path.read_bytes()[:HEAD_BYTES]


@pytest.mark.parametrize("name", MADE)
def test_every_accepted_container(tmp_path: Path, name: str) -> None:
    container = recognise(made(tmp_path, *MADE[name]))
    assert container is not None
    assert container.name == name
    assert container.content_type.startswith("video/")


@pytest.mark.parametrize("variant", VARIANTS)
def test_their_variants(tmp_path: Path, variant: str) -> None:
    filename, arguments, name = VARIANTS[variant]
    container = recognise(made(tmp_path, filename, arguments))
    assert container is not None
    assert container.name == name


@pytest.mark.parametrize("filename", IMAGES)
def test_images_are_refused(tmp_path: Path, filename: str) -> None:
    head = made(tmp_path, filename, ["-frames:v", "1"])
    assert recognise(head) is None
    assert looks_like(head) == IMAGES[filename]


def test_sound_is_refused(tmp_path: Path) -> None:
    for name in ("a.wav", "a.mp3", "a.flac", "a.oga", "a.m4a"):
        path = tmp_path / name
        source = ["-f", "lavfi", "-i", "sine=duration=0.2"]
        executable = imageio_ffmpeg.get_ffmpeg_exe()
        subprocess.run([executable, "-v", "error", "-y", *source, str(path)], check=True)
        head = path.read_bytes()[:HEAD_BYTES]
        assert recognise(head) is None, name
        assert looks_like(head) == "a sound file", name


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
        (b"RIFF\x24\0\0\0WEBPVP8 " + bytes(100), "an image"),
        (bytes(4096), "another kind of file"),
    ],
)
def test_disguises(head: bytes, kind: str) -> None:
    assert recognise(head) is None
    assert looks_like(head) == kind


_MAGIC = st.sampled_from(
    [
        b"\0\0\0\x20ftyp",
        b"\0\0\0\x08moov",
        b"\0\0\0\x01mdat",
        b"\x1a\x45\xdf\xa3",
        b"RIFF",
        b"FLV\x01",
        b"\0\0\x01\xba",
        b"OggS",
        b"G",
        b"",
    ]
)


@given(_MAGIC, st.binary(max_size=600))
def test_any_bytes_have_an_answer(magic: bytes, rest: bytes) -> None:
    head = magic + rest
    container = recognise(head)
    assert container is None or container.content_type.startswith("video/")
    assert looks_like(head)


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
