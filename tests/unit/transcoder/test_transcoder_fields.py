"""How the fields of an interlaced source belong together, and what that makes of its rate."""

from fractions import Fraction

import pytest

from services.transcoder.planning.fields import SeenFrame, fields_of, read_frames, with_fields
from services.transcoder.planning.probe_report import ProbedSource
from shared.contracts import Fields, SourceFacts, VideoTrack


def seen(order: str, count: int, repeated: str = "neither") -> list[SeenFrame]:
    return [SeenFrame(order, repeated)] * count


@pytest.mark.parametrize(
    ("frames", "fields"),
    [
        (seen("tff", 75), "apart"),
        (seen("bff", 75), "apart"),
        # Little moves in a studio.
        (seen("tff", 12) + seen("progressive", 100) + seen("undetermined", 30), "apart"),
        (seen("progressive", 100), "whole"),
        # Fine lines look like fields of either order.
        (seen("tff", 38) + seen("bff", 29) + seen("progressive", 4), "whole"),
        (seen("tff", 3) + seen("progressive", 97), "whole"),
        # What is not clear is as the file says.
        (seen("progressive", 9), "apart"),
        (seen("undetermined", 100), "apart"),
        ([], "apart"),
        # Pulldown repeats a field of each kind in five frames.
        (seen("tff", 60) + seen("tff", 20, "top") + seen("tff", 20, "bottom"), "telecined"),
        (seen("tff", 80) + seen("tff", 20, "top"), "apart"),
    ],
)
def test_what_frames_tell(frames: list[SeenFrame], fields: Fields) -> None:
    assert fields_of(frames) == fields


def test_the_detector_is_read() -> None:
    text = (
        "frame:0    pts:0       pts_time:0\nlavfi.idet.single.current_frame=tff\n"
        "frame:0    pts:0       pts_time:0\nlavfi.idet.repeated.current_frame=neither\n"
        "frame:1    pts:1       pts_time:0.04\nlavfi.idet.single.current_frame=undetermined\n"
        "frame:1    pts:1       pts_time:0.04\nlavfi.idet.repeated.current_frame=top\n"
        "frame:2    pts:2       pts_time:NOPTS\nlavfi.idet.single.current_frame=bff\n"
        "frame:2    pts:2       pts_time:NOPTS\nlavfi.idet.repeated.current_frame=bottom\n"
    )
    assert read_frames(text) == [
        SeenFrame("tff", "neither", 0.0),
        SeenFrame("undetermined", "top", 0.04),
        SeenFrame("bff", "bottom", 0.0),
    ]
    assert read_frames("") == []


@pytest.mark.parametrize(
    ("fields", "rate", "step", "output", "interlaced"),
    [
        ("apart", Fraction(25), 0.04, "50/1", True),
        ("apart", Fraction(30000, 1001), 0.0334, "60000/1001", True),
        ("apart", Fraction(30), 0.0333, "60/1", True),
        ("whole", Fraction(25), 0.04, "25/1", False),
        ("telecined", Fraction(30000, 1001), 0.0334, "30000/1001", True),
        # Each field is a packet, and the file states the rate of packets.
        ("apart", Fraction(50), 0.04, "50/1", True),
        ("whole", Fraction(50), 0.04, "25/1", False),
        # More than that is not shown.
        ("apart", Fraction(50), 0.02, "50/1", True),
        # Times that are not known.
        ("apart", Fraction(25), 0.0, "50/1", True),
    ],
)
def test_two_moments_are_two_frames(
    fields: Fields, rate: Fraction, step: float, output: str, *, interlaced: bool
) -> None:
    repeats = ("top", "bottom", "neither", "neither", "neither")
    order = "progressive" if fields == "whole" else "tff"
    frames = [
        SeenFrame(order, repeats[n % 5] if fields == "telecined" else "neither", n * step)
        for n in range(50)
    ]
    video = VideoTrack(codec="h264", width=720, height=576, interlaced=True)
    facts = SourceFacts(container="mov", duration_ms=1000, size=1, video=video)
    found = with_fields(ProbedSource(facts, rate, 1.0, 0, 0.0, seekable=True), frames)
    assert found.facts.video is not None
    assert found.facts.video.frame_rate == output
    assert found.frame_rate == Fraction(output)
    assert (found.facts.video.fields, found.facts.video.interlaced) == (fields, interlaced)
