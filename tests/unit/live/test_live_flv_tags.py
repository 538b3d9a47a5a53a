"""What is in a tag: which codec, settings or picture, and whether decoding can begin with it."""

import pytest

from services.live.flv.tags import AUDIO, SCRIPT, VIDEO, Content, NotPlayable, Tag, content, encode

KEY, INTER = 0x90, 0xA0


def video(body: bytes) -> Content | None:
    return content(Tag(VIDEO, 0, body))


def audio(body: bytes) -> Content | None:
    return content(Tag(AUDIO, 0, body))


def test_a_tag_is_written_as_in_a_file() -> None:
    tag = Tag(SCRIPT, 0x01020304, b"body")
    assert encode(tag) == b"\x12\0\0\x04\x02\x03\x04\x01\0\0\0body\0\0\0\x0f"


def test_h264_as_flv_always_had_it() -> None:
    assert video(b"\x17\0\0\0\0\x01") == Content("h264", header=True)
    assert video(b"\x17\x01\0\0\x50x") == Content("h264", frames=True, key=True, shown_after=80)
    assert video(b"\x27\x01\xff\xff\xecx") == Content("h264", frames=True, shown_after=-20)
    assert video(b"\x17\x02\0\0\0") == Content("h264")


def test_codecs_of_enhanced_rtmp() -> None:
    assert video(bytes((KEY,)) + b"hvc1\x01") == Content("hevc", header=True)
    assert video(bytes((KEY | 1,)) + b"hvc1\0\0\x50x") == Content(
        "hevc", frames=True, key=True, shown_after=80
    )
    assert video(bytes((INTER | 3,)) + b"hvc1x") == Content("hevc", frames=True)
    assert video(bytes((KEY | 1,)) + b"av01xxx") == Content("av1", frames=True, key=True)
    assert video(bytes((KEY | 1,)) + b"avc1\0\0\0x") == Content("h264", frames=True, key=True)
    assert audio(b"\x90OpusOpusHead") == Content("opus", header=True)
    assert audio(b"\x91Opusx") == Content("opus", frames=True, key=True)
    assert audio(b"\x91mp4ax") == Content("aac", frames=True, key=True)


def test_modifiers_and_several_tracks_of_enhanced_rtmp() -> None:
    # A modifier of 3 bytes (nanoseconds), then frames.
    modified = bytes((KEY | 7, 2, 0, 0, 9, 0x01)) + b"hvc1\0\0\x0ax"
    assert video(modified) == Content("hevc", frames=True, key=True, shown_after=10)
    several = bytes((KEY | 6, 0x01)) + b"avc1\x00\0\0\x02xx"
    assert video(several) == Content("h264", frames=True, key=True, multitrack=True)
    sound = b"\x95\x01mp4a\x00xx"
    assert audio(sound) == Content("aac", frames=True, key=True, multitrack=True)


@pytest.mark.parametrize("body", [b"", b"\x17", b"\x57\x01\0\0\0", b"\x90", b"\x94hvc1x", b"\x97"])
def test_what_holds_nothing_is_passed_over(body: bytes) -> None:
    assert video(body) is None


def test_sound_as_flv_always_had_it() -> None:
    assert audio(b"\xaf\0\x12\x10") == Content("aac", header=True)
    assert audio(b"\xaf\x01x") == Content("aac", frames=True, key=True)
    assert audio(b"\x2fx") == Content("mp3", frames=True, key=True)
    assert audio(b"\xaf") is None


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        (VIDEO, b"\x12x", "Sorenson H.263 is not accepted; choose H.264"),
        (VIDEO, b"\x14x", "VP6 is not accepted"),
        (VIDEO, b"\x1c\x01\0\0\0x", "Enhanced RTMP"),
        (VIDEO, b"\x1fx", "codec 15 is not accepted"),
        (VIDEO, b"\x91vp09x", "'vp09' is not accepted"),
        (VIDEO, b"\x91\xff\xfe\xfd\xfcx", "is not accepted"),
        (AUDIO, b"\xbfx", "Speex is not accepted; choose AAC"),
        (AUDIO, b"\x6fx", "Nellymoser is not accepted"),
        (AUDIO, b"\x91ac-3x", "'ac-3' is not accepted"),
    ],
)
def test_codecs_that_are_not_accepted_are_refused_in_words(kind: int, body: bytes, said: str):
    with pytest.raises(NotPlayable, match=said):
        content(Tag(kind, 0, body))
