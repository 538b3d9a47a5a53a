"""No frame is missing, doubled or out of place where chunks meet.

Each source frame is a plain grey that says its number; what is decoded from the stitched output
must count on without a break.
"""

import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from services.transcoder.encoding.ffmpeg import Input
from services.transcoder.encoding.ffmpeg_chunks import ChunkRun, encode_chunk
from services.transcoder.encoding.probe import probe_source
from services.transcoder.planning.ladder import ladder
from services.transcoder.planning.plan import chunks, timeline
from services.transcoder.planning.probe_report import ProbedSource
from services.transcoder.worker.task_video import check, cut
from shared.mp4 import fragment_reader
from shared.programs.confinement import Limits
from shared.programs.finding import find_ffmpeg, find_ffprobe
from shared.programs.process import run_ffmpeg
from tests.integration.transcoder.clips import ffmpeg

GREYS = 100
NUMBERED = f"geq=lum=20+2*mod(N\\,{GREYS}):cb=128:cr=128"
LIMITS = Limits(
    seconds=60,
    cpu_seconds=60,
    memory_bytes=8 << 30,
    file_bytes=1 << 30,
    nice=0,
)


def numbered(target: Path, rate: str, *options: str, seconds: int = 13) -> Path:
    ffmpeg(
        *("-f", "lavfi", "-i", f"color=size=64x64:rate={rate}:duration={seconds},{NUMBERED}"),
        *("-preset", "ultrafast", "-qp", "4", *options, str(target)),
    )
    return target


async def stitched(source: Path, folder: Path) -> tuple[ProbedSource, bytes, set[bytes]]:
    """The only rendition, encoded chunk by chunk in reverse order; and the init segments."""
    given = Input(str(source), remote=False)
    found = await probe_source(find_ffprobe(None), given, source.stat().st_size, folder)
    (rendition,) = ladder(found.facts)
    line = timeline(found.frame_rate)
    planned = chunks(line, found.duration or 0)
    assert len(planned) >= 3
    assert found.facts.video is not None
    bodies: dict[int, bytes] = {}
    inits: set[bytes] = set()
    for chunk in reversed(planned):
        run = ChunkRun(
            source=given,
            video=found.facts.video,
            chunk=chunk,
            line=line,
            renditions=(rendition,),
            last=chunk is planned[-1],
            preset="superfast",
            threads=1,
        )
        await run_ffmpeg([find_ffmpeg(None), *encode_chunk(run, folder)], folder, LIMITS)
        data = (folder / f"{rendition.name}.mp4").read_bytes()
        fragments = fragment_reader.read_fragments(data)
        body, segments = cut(data, fragments, chunk, line)
        check(run, segments, fragments)
        bodies[chunk.index] = body
        inits.add(fragment_reader.read_init_segment(data))
    whole = b"".join(bodies[index] for index in range(len(planned)))
    return found, whole, inits


def numbers(init: bytes, body: bytes, folder: Path) -> list[int]:
    path = folder / "whole.mp4"
    path.write_bytes(init + body)
    decoded = subprocess.run(
        [
            *(find_ffmpeg(None), "-v", "error", "-i", str(path), "-fps_mode", "passthrough"),
            *("-vf", "scale=2:2:flags=area,format=yuv420p", "-f", "rawvideo", "-"),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert decoded.stderr == b""
    return [round((grey - 20) / 2) for grey in decoded.stdout[::6]]


@pytest.mark.parametrize(
    ("rate", "name", "options"),
    [
        ("24000/1001", "a.mp4", ()),
        ("25", "a.mp4", ("-g", "250", "-bf", "3")),
        ("30000/1001", "a.mkv", ("-g", "60", "-bf", "2")),
        ("30", "a.mp4", ("-movflags", "+faststart", "-x264-params", "open-gop=1")),
        ("50", "a.mkv", ("-c:v", "libx265", "-x265-params", "log-level=error:qp=4")),
        ("60000/1001", "a.mp4", ("-output_ts_offset", "7.3")),
    ],
)
async def test_frames_count_on_across_chunks(
    rate: str, name: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    source = numbered(tmp_path / name, rate, *options)
    found, body, inits = await stitched(source, tmp_path)
    assert found.frame_rate == Fraction(rate)
    assert len(inits) == 1
    seen = numbers(inits.pop(), body, tmp_path)
    assert 0 <= len(seen) - int(13 * Fraction(rate)) <= 1
    wrong = [n for n, grey in enumerate(seen) if abs(grey - n % GREYS) > 0]
    assert wrong == []


async def test_a_variable_rate_keeps_its_clock(tmp_path: Path) -> None:
    """Frames 2, 3 and 100 to 250 (six seconds) are missing from the source: the frame before
    them stays on screen, whichever chunk that falls in."""
    holes = "select=not(between(n\\,2\\,3)+between(n\\,100\\,250))"
    source = tmp_path / "a.mkv"
    ffmpeg(
        *("-f", "lavfi", "-i", f"color=size=64x64:rate=25:duration=14,{NUMBERED},{holes}"),
        *("-preset", "ultrafast", "-qp", "4", "-fps_mode", "vfr", str(source)),
    )
    found, body, inits = await stitched(source, tmp_path)
    assert len(inits) == 1
    seen = numbers(inits.pop(), body, tmp_path)
    step = 25 / found.frame_rate
    missing = {2: 1, 3: 1} | dict.fromkeys(range(100, 251), 99)
    for n, grey in enumerate(seen):
        at = int(n * step)
        near = {missing.get(m, m) % GREYS for m in (at - 1, at, at + 1)}
        assert grey in near, (n, grey)
