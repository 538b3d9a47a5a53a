"""Encrypted tracks of MP4 files are known by their sample entries."""

from pathlib import Path

import pytest

from services.transcoder.mp4.protection import protected_tracks, protection_of
from shared.mp4.boxes import find
from tests.integration.transcoder.clips import ffmpeg
from tests.media.made_files import X264, picture, tone

_KEY = "00112233445566778899aabbccddeeff"


def entry(kind: bytes, *rest: bytes) -> bytes:
    body = kind + bytes(28) + b"".join(rest)
    return (len(body) + 4).to_bytes(4, "big") + body


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (entry(b"avc1"), None),
        (entry(b"encv", b"schm", bytes(4), b"cbcs"), "Common Encryption, cbcs"),
        (entry(b"enca", b"schm", bytes(4), b"cenc"), "Common Encryption, cenc"),
        (entry(b"enca", b"schm", bytes(4), b"itun"), "Apple FairPlay"),
        (entry(b"drms"), "Apple FairPlay"),
        (entry(b"encv"), "encryption"),
        (b"", None),
    ],
)
def test_a_sample_entry_states_its_protection(given: bytes, named: str | None) -> None:
    assert protection_of(given) == named


@pytest.mark.parametrize("flags", ["+faststart", "+frag_keyframe+empty_moov"])
def test_tracks_of_a_real_file(flags: str, tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    locked = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", _KEY)
    options = (*picture(seconds=1), *tone(seconds=1), *X264, *locked, "-encryption_kid", _KEY)
    ffmpeg(*options, "-movflags", flags, str(target))
    data = target.read_bytes()
    moov = find(data, ("moov",))
    found = protected_tracks(data[moov.start : moov.end])
    assert found == {0: "Common Encryption, cenc", 1: "Common Encryption, cenc"}


def test_a_cut_moov_has_no_protected_tracks() -> None:
    assert protected_tracks(b"") == {}
    assert protected_tracks(b"\0\0\0\x10moov\0\0\0\7") == {}
