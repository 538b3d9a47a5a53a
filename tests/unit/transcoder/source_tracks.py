"""Sample tables of made-up sources, and what a probe would say of them."""

from array import array
from itertools import accumulate

from services.transcoder.mp4.sample_index import Edits, SampleTrack
from shared.contracts import SourceFacts, VideoTrack

RATE = 25
TICKS = 600
STEP = TICKS // RATE


def avc_entry(width: int = 640, height: int = 360, profile: int = 77, level: int = 31) -> bytes:
    fixed = bytes(24) + width.to_bytes(2, "big") + height.to_bytes(2, "big") + bytes(50)
    box = b"\0\0\0\x0favcC\1" + bytes([profile, 0, level, 0xFF, 0xE1, 0])
    body = b"avc1" + fixed + box
    return (len(body) + 4).to_bytes(4, "big") + body


def track(gops: list[tuple[int, bool]], entry: bytes = b"", size: int = 5_000) -> SampleTrack:
    """Groups of pictures; an open one shows two frames before the key frame they follow."""
    shown: list[int] = []
    keys: list[int] = []
    for frames, is_open in gops:
        first = len(shown)
        keys.append(first)
        order = list(range(first, first + frames))
        if is_open and first and frames > 2:
            order = [first + 2, first, first + 1, *order[3:]]
        shown += order
    count = len(shown)
    return SampleTrack(
        kind="vide",
        timescale=TICKS,
        sizes=array("I", [size] * count),
        offsets=array("Q", accumulate([size] * (count - 1), initial=100)),
        decode=array("q", (n * STEP for n in range(count))),
        composition=array("q", (n * STEP for n in shown)),
        keys=array("I", keys),
        edits=Edits(0, None, True, True),
        entry=entry or avc_entry(),
        entries=1,
        end=count * STEP,
    )


def facts(made: SampleTrack, **changes: object) -> SourceFacts:
    video = {"codec": "h264", "width": 640, "height": 360, "frame_rate": "25/1"}
    video |= {"pixel_format": "yuv420p"} | changes
    return SourceFacts(
        container="mov",
        duration_ms=made.end * 1000 // TICKS,
        size=sum(made.sizes),
        video=VideoTrack(**video),  # pyright: ignore[reportArgumentType]
    )


def key_track(*seconds: float, end: float) -> SampleTrack:
    """A track of which every sample is a key frame, at the times given."""
    times = [round(TICKS * each) for each in seconds]
    count = len(times)
    return SampleTrack(
        kind="vide",
        timescale=TICKS,
        sizes=array("I", [5_000] * count),
        offsets=array("Q", accumulate([5_000] * (count - 1), initial=100)),
        decode=array("q", times),
        composition=array("q", times),
        keys=array("I", range(count)),
        edits=Edits(0, None, True, True),
        entry=avc_entry(),
        entries=1,
        end=round(TICKS * end),
    )
