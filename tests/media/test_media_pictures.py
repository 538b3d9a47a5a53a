"""Motion and frames, measured in what comes out: none is missing, or doubled in name only."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from services.transcoder.encoding.ffmpeg import Input
from services.transcoder.encoding.probe import probe_source
from shared.programs.finding import find_ffmpeg, find_ffprobe
from tests.media.decoding import decode_video
from tests.media.made_pictures import COUNTED, MOVING, PICTURES
from tests.media.oracle import differences
from tests.media.pipeline import process


@pytest.mark.parametrize(("kind", "rate", "still"), MOVING)
async def test_every_moment_is_a_frame(kind: str, rate: str, still: float, tmp_path: Path) -> None:
    source = PICTURES[kind](tmp_path)
    video = await process(source, tmp_path / "media")

    assert differences(source, video, tmp_path) == []
    top = video.planned.renditions[0]
    pictures = decode_video(video, tmp_path).pictures[top.name].astype(np.float32)
    moved = np.abs(np.diff(pictures, axis=0)).mean(axis=(1, 2))
    usual = float(np.median(moved))
    # Without the first and last frames, which have no neighbours to be interpolated from.
    assert top.frame_rate == rate
    assert float((moved[2:-4] < usual / 4).mean()) == pytest.approx(still, abs=0.04)
    # And forwards: fields in the wrong order go back and forth.
    two = np.abs(pictures[2:] - pictures[:-2]).mean(axis=(1, 2))
    assert float(np.median(two)) > 1.2 * usual


@pytest.mark.parametrize("kind", COUNTED)
async def test_as_many_frames_as_ffmpeg_decodes(kind: str, tmp_path: Path) -> None:
    source = PICTURES[kind](tmp_path)
    video = await process(source, tmp_path / "media")

    assert differences(source, video, tmp_path) == []
    shown = decode_video(video, tmp_path).pictures
    assert {len(pictures) for pictures in shown.values()} == {_decoded(source)}


async def test_first_frames_that_memory_does_not_hold_are_not_looked_at(tmp_path: Path) -> None:
    source = PICTURES["turned 90"](tmp_path)
    small = tmp_path / "ffprobe"
    small.write_text(
        f'#!/bin/sh\ncase "$*" in *show_frames*) kill -9 $$;; esac\n'
        f'exec {find_ffprobe(None)} "$@"\n'
    )
    small.chmod(0o755)
    given, size = Input(str(source), remote=False), source.stat().st_size

    found = await probe_source(str(small), given, size, tmp_path)

    assert found == await probe_source(find_ffprobe(None), given, size, tmp_path)


def _decoded(source: Path) -> int:
    """Frames that plain ffmpeg decodes of a file."""
    found = subprocess.run(
        [
            *(find_ffmpeg(None), "-nostdin", "-v", "error", "-i", str(source), "-map", "0:v"),
            *("-fps_mode", "passthrough", "-f", "framecrc", "-"),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return sum(line[0] != "#" for line in found.stdout.splitlines())
