"""FLV tags (Adobe Flash Video File Format 10.1, annex E; Enhanced RTMP v2). Pure.

Enhanced RTMP puts a FourCC where FLV has only a number of four bits, so that HEVC and AV1 fit in.
"""

from typing import Final, Literal

import msgspec

AUDIO: Final = 8
VIDEO: Final = 9
SCRIPT: Final = 18

# The header of a file with sound and picture, and the size of the tag before the first, which is 0.
FILE_HEADER: Final = b"FLV\1\5\0\0\0\t\0\0\0\0"

Codec = Literal["h264", "hevc", "av1", "aac", "mp3", "opus"]

# The seven codecs that FLV always had and the FourCCs of Enhanced RTMP, as people know them.
_VIDEO_NUMBERS: Final = {2: "Sorenson H.263", 3: "Screen Video", 4: "VP6", 5: "VP6", 6: "Screen 2"}
_VIDEO_FOURCC: Final[dict[bytes, Codec]] = {b"avc1": "h264", b"hvc1": "hevc", b"av01": "av1"}
_AUDIO_FOURCC: Final[dict[bytes, Codec]] = {b".mp3": "mp3", b"mp4a": "aac", b"Opus": "opus"}
_AUDIO_NUMBERS: Final[dict[int, Codec]] = {2: "mp3", 10: "aac", 14: "mp3"}
_AUDIO_OTHERS: Final = {
    **{0: "raw PCM", 1: "ADPCM", 3: "raw PCM", 4: "Nellymoser", 5: "Nellymoser", 6: "Nellymoser"},
    **{7: "G.711", 8: "G.711", 11: "Speex"},
}

_SEQUENCE_START, _FRAMES, _SEQUENCE_END, _FRAMES_WITHOUT_OFFSET = 0, 1, 2, 3
_METADATA, _MULTITRACK, _MOD_EX = 4, 6, 7
_AUDIO_MULTITRACK: Final = 5


class NotPlayable(Exception):
    """The publisher sends a codec or a form that is not accepted; the text is for people."""


class Tag(msgspec.Struct, frozen=True):
    """``kind``: AUDIO, VIDEO or SCRIPT; ``milliseconds`` modulo 2³², when it is decoded."""

    kind: int
    milliseconds: int
    body: bytes


class Content(msgspec.Struct, frozen=True):
    """What a tag holds. ``shown_after``: from decoding to showing, in milliseconds.

    ``header``: the decoder's settings, no picture or sound. ``key``: decoding can begin here.
    ``multitrack``: the tag holds several tracks.
    """

    codec: Codec
    header: bool = False
    frames: bool = False
    key: bool = False
    shown_after: int = 0
    multitrack: bool = False


def encode(tag: Tag) -> bytes:
    """The tag with the size behind it, as it stands in a file."""
    size = len(tag.body)
    return b"".join(
        (
            bytes((tag.kind,)),
            size.to_bytes(3, "big"),
            (tag.milliseconds & 0xFFFFFF).to_bytes(3, "big"),
            bytes((tag.milliseconds >> 24 & 0xFF, 0, 0, 0)),
            tag.body,
            (size + 11).to_bytes(4, "big"),
        )
    )


def content(tag: Tag) -> Content | None:
    """What a tag of picture or sound holds; None for an empty one. Raises NotPlayable."""
    if not tag.body:
        return None
    return _video(tag.body) if tag.kind == VIDEO else _audio(tag.body)


def _video(body: bytes) -> Content | None:
    first = body[0]
    if first & 0x80:
        return _enhanced_video(body)
    codec, frame = first & 0xF, first >> 4
    # A command of the server to players, no picture.
    if frame == 5:
        return None
    if codec == 12:
        # A habit of Chinese services from before Enhanced RTMP; ffmpeg does not know it.
        raise NotPlayable("HEVC is accepted as Enhanced RTMP only; choose H.264 or update OBS")
    if codec != 7:
        name = _VIDEO_NUMBERS.get(codec, f"codec {codec}")
        raise NotPlayable(f"{name} is not accepted; choose H.264, HEVC or AV1")
    if len(body) < 5:
        return None
    packet = body[1]
    frames = packet == 1
    return Content(
        "h264",
        header=packet == 0,
        frames=frames,
        key=frames and frame == 1,
        shown_after=_signed(body[2:5]) if frames else 0,
    )


def _enhanced_video(body: bytes) -> Content | None:
    frame, packet = body[0] >> 4 & 7, body[0] & 0xF
    at = 1
    while packet == _MOD_EX and at < len(body):
        packet, at = _past_modifier(body, at)
    multitrack = packet == _MULTITRACK
    if multitrack and at < len(body):
        packet = body[at] & 0xF
        at += 1
    fourcc = body[at : at + 4]
    if len(fourcc) < 4 or frame == 5 or packet == _METADATA:
        return None
    codec = _VIDEO_FOURCC.get(fourcc)
    if codec is None:
        name = fourcc.decode("ascii", "replace")
        raise NotPlayable(f"the codec {name!r} is not accepted; choose H.264, HEVC or AV1")
    frames = packet in (_FRAMES, _FRAMES_WITHOUT_OFFSET)
    # The first track follows: its number, and its size where there are several.
    at += 4 + (1 if multitrack else 0)
    offset = body[at : at + 3] if packet == _FRAMES and codec != "av1" and not multitrack else b""
    return Content(
        codec,
        header=packet == _SEQUENCE_START,
        frames=frames,
        key=frames and frame == 1,
        shown_after=_signed(offset),
        multitrack=multitrack,
    )


def _past_modifier(body: bytes, at: int) -> tuple[int, int]:
    """The packet type behind a modifier (a timestamp's nanoseconds, say), and its end."""
    size = body[at] + 1
    at += 1
    if size == 256:
        size = int.from_bytes(body[at : at + 2], "big") + 1
        at += 2
    at += size
    return (body[at] & 0xF if at < len(body) else _METADATA), at + 1


def _audio(body: bytes) -> Content | None:
    number = body[0] >> 4
    if number == 9:
        return _enhanced_audio(body)
    codec = _AUDIO_NUMBERS.get(number)
    if codec is None:
        name = _AUDIO_OTHERS.get(number, f"sound format {number}")
        raise NotPlayable(f"{name} is not accepted; choose AAC or Opus")
    if codec != "aac":
        return Content(codec, frames=True, key=True)
    if len(body) < 2:
        return None
    return Content(codec, header=body[1] == 0, frames=body[1] == 1, key=body[1] == 1)


def _enhanced_audio(body: bytes) -> Content | None:
    packet = body[0] & 0xF
    at = 1
    while packet == _MOD_EX and at < len(body):
        packet, at = _past_modifier(body, at)
    multitrack = packet == _AUDIO_MULTITRACK
    if multitrack and at < len(body):
        packet = body[at] & 0xF
        at += 1
    fourcc = body[at : at + 4]
    if len(fourcc) < 4 or packet == _METADATA:
        return None
    codec = _AUDIO_FOURCC.get(fourcc)
    if codec is None:
        name = fourcc.decode("ascii", "replace")
        raise NotPlayable(f"the sound codec {name!r} is not accepted; choose AAC or Opus")
    return Content(
        codec,
        header=packet == _SEQUENCE_START,
        frames=packet == _FRAMES,
        key=packet == _FRAMES,
        multitrack=multitrack,
    )


def _signed(three: bytes) -> int:
    """A signed number of three bytes; 0 where they are missing."""
    if len(three) < 3:
        return 0
    value = int.from_bytes(three, "big")
    return value - (1 << 24) if value & 0x800000 else value
