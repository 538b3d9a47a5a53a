"""The source of a recorded live: which segments it has, and the file around them."""

import subprocess
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from services.transcoder.mp4.joined_file import (
    HEAD_BYTES,
    JoinedTrack,
    PlacedTrack,
    head,
    tables,
)
from services.transcoder.mp4.sample_index import SampleIndex, read_index
from services.transcoder.planning.recording import RecordedSegment, recorded_segments
from shared.contracts import EncodedTrack, LivePublished, Segment
from shared.mp4.boxes import find
from shared.programs.finding import find_ffmpeg, find_ffprobe
from tests.support.recorded_lives import picture, sound

AT = datetime(2026, 11, 27, tzinfo=UTC)


def track(name: str, *starts: int, first: int = 0, timescale: int = 1000) -> EncodedTrack:
    return EncodedTrack(
        name=name,
        timescale=timescale,
        codecs="avc1.64001f",
        init_key=f"v/live/1/{name}/init-0.mp4",
        init_sha256="0" * 64,
        key=f"v/live/1/{name}",
        segments=tuple(
            Segment(index=first + number, start=start, duration=2 * timescale, size=10)
            for number, start in enumerate(starts)
        ),
    )


def published(first: int, *tracks: EncodedTrack, jump: bool = False) -> LivePublished:
    return LivePublished(
        video_id="v", epoch=1, first_segment=first, started_at=AT, tracks=tracks, jump=jump
    )


def times(segments: list[RecordedSegment]) -> list[tuple[str, float]]:
    """Name and time in the source of each segment."""
    return [
        (each.key.rsplit("/", 2)[1], float(Fraction(each.start, each.timescale) + each.shift))
        for each in segments
    ]


def test_the_picture_comes_before_the_sound_of_the_same_moment() -> None:
    batch = published(0, track("a", 1000, 3000), track("240", 1000, 3000), track("top", 1000, 3000))
    found = times(recorded_segments([batch]))
    assert found == [("top", 0.0), ("a", 0.0), ("top", 2.0), ("a", 2.0)]


def test_where_the_best_picture_was_dropped_the_next_one_is_taken() -> None:
    events = [
        published(0, track("top", 0), track("480", 0), track("240", 0)),
        published(1, track("240", 2000, first=1), track("480", 2000, first=1)),
    ]
    assert times(recorded_segments(events)) == [("top", 0.0), ("480", 2.0)]


def test_a_jump_leaves_no_hole_in_the_source() -> None:
    events = [
        published(0, track("top", 1000, 3000), track("a", 990, 2990)),
        published(2, track("top", 61_000, first=2), track("a", 60_980, first=2), jump=True),
    ]
    found = times(recorded_segments(events))
    assert found[-2:] == [("top", pytest.approx(4.03)), ("a", pytest.approx(4.01))]


def test_a_session_without_segments_has_none() -> None:
    assert recorded_segments([]) == []


# The file: what ffmpeg writes as a live's child does, joined.


def joined(*parts: tuple[int, tuple[bytes, bytes], float]) -> bytes:
    """The file of parts: number of the track, init and fragments, shift in seconds."""
    tracks: dict[int, JoinedTrack] = {}
    places: dict[int, list[int]] = {}
    body = b""
    for number, (init, data), shift in parts:
        made = tracks.setdefault(number, JoinedTrack(init))
        made.add(init, data, Fraction(shift))
        places.setdefault(number, []).append(HEAD_BYTES + len(body))
        body += data
    return (
        head(len(body)) + body + tables([PlacedTrack(tracks[n], places[n]) for n in sorted(tracks)])
    )


def index_of(data: bytes) -> SampleIndex:
    moov = find(data, ("moov",))
    return read_index(data[moov.start : moov.end], len(data))


def decoded(path: Path, stream: str) -> list[str]:
    """Checksums of all frames of a file's stream, as ffmpeg decodes it."""
    arguments = ["-v", "error", "-i", str(path), "-map", f"0:{stream}", "-f", "framemd5", "-"]
    answer = subprocess.run(
        [find_ffmpeg(None), "-nostdin", *arguments], check=True, capture_output=True, text=True
    )
    assert not answer.stderr
    lines = [line for line in answer.stdout.splitlines() if not line.startswith("#")]
    return [line.split(",")[-1] for line in lines]


def test_the_file_has_every_frame_of_its_segments(tmp_path: Path) -> None:
    shown, heard = picture(tmp_path, "top", "320x180", "-bf", "2"), sound(tmp_path)
    whole = tmp_path / "whole.mp4"
    whole.write_bytes(joined((0, shown, 0.0), (1, heard, 0.0)))
    assert decoded(whole, "v") == decoded(tmp_path / "top.mp4", "v")
    assert decoded(whole, "a")[1:-1] == decoded(tmp_path / "sound.mp4", "a")[1:-1]
    video, audio = index_of(whole.read_bytes()).tracks
    assert video.count == 50
    assert list(video.keys) == [0, 25]
    assert video.until == pytest.approx(2.0, abs=0.05)
    assert audio.until == pytest.approx(2.0, abs=0.05)


def test_sections_follow_each_other_without_a_hole(tmp_path: Path) -> None:
    shown = picture(tmp_path, "top", "320x180")
    whole = tmp_path / "whole.mp4"
    whole.write_bytes(joined((0, shown, 0.0), (0, shown, 2.0)))
    assert decoded(whole, "v") == 2 * decoded(tmp_path / "top.mp4", "v")
    (video,) = index_of(whole.read_bytes()).tracks
    assert video.entries == 1
    assert video.finish == pytest.approx(4.0, abs=0.05)
    assert video.longest == pytest.approx(0.04, abs=0.001)


def test_a_changed_size_is_another_sample_entry(tmp_path: Path) -> None:
    """A plan knows then that the source must be decoded as a whole."""
    small, large = picture(tmp_path, "s", "320x180"), picture(tmp_path, "l", "640x360")
    whole = tmp_path / "whole.mp4"
    whole.write_bytes(joined((0, small, 0.0), (0, large, 2.0)))
    (video,) = index_of(whole.read_bytes()).tracks
    assert video.entries == 2
    arguments = ["-v", "error", "-select_streams", "v", "-show_entries", "frame=width"]
    answer = subprocess.run(
        [find_ffprobe(None), *arguments, "-of", "csv=p=0", str(whole)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert [int(line.strip(",")) for line in answer.stdout.split()] == [320] * 50 + [640] * 50


def test_sound_that_begins_later_stays_so(tmp_path: Path) -> None:
    shown, heard = picture(tmp_path, "top", "320x180"), sound(tmp_path)
    data = joined((0, shown, 0.0), (1, heard, 0.5))
    video, audio = index_of(data).tracks
    assert audio.start - video.start == pytest.approx(0.5, abs=0.03)
