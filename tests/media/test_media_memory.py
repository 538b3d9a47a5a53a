"""What time stamps claim takes no memory: neither in the pipeline nor in the comparison with it."""

import subprocess
from pathlib import Path

from tests.media.made_changes import CHANGES
from tests.media.made_files import FILES, X264, Recipe, made, picture, tone
from tests.media.oracle import differences
from tests.media.pipeline import process
from tests.support.child_memory import child_memory

# Programs need some 100 MiB for these pictures; an hour of silence alone takes 1.3 GiB.
_LITTLE = 512 << 20


async def test_a_jump_of_an_hour_takes_no_memory(tmp_path: Path) -> None:
    video = await process(CHANGES["clock jumps an hour on"](tmp_path), tmp_path / "media")

    assert video.failure is None
    assert video.peak_bytes < _LITTLE


async def test_a_gap_that_is_played_takes_no_memory(tmp_path: Path) -> None:
    source = _with_gap(50)(tmp_path)

    video = await process(source, tmp_path / "media")

    assert differences(source, video, tmp_path) == []
    assert video.peak_bytes < _LITTLE


async def test_images_of_a_moment_take_no_memory(tmp_path: Path) -> None:
    """A film of its waveform is shown for longer than the sound lasts."""
    source = made("a.m4a", *tone(seconds=0.016), "-c:a", "alac", "-ar", "44100")(tmp_path)

    video = await process(source, tmp_path / "media")

    assert video.failure is None
    assert video.peak_bytes < _LITTLE


async def test_a_source_of_a_day_is_compared_as_far_as_the_video_goes(tmp_path: Path) -> None:
    video = await process(FILES["mp4"](tmp_path), tmp_path / "media")
    source = _with_gap(80_000)(tmp_path)

    with child_memory() as memory:
        found = differences(source, video, tmp_path)

    assert found
    assert memory.peak_bytes < _LITTLE


def test_a_program_counts_without_the_process_that_starts_it() -> None:
    """A long run of tests has more memory than any program may take."""
    ballast = b"." * (800 << 20)

    with child_memory() as little:
        subprocess.run(["sleep", "0.2"], check=True)
    with child_memory() as much:
        # It reads all its blocks into memory of its own, and twice, so that it is seen.
        subprocess.run(["dd", "if=/dev/zero", "of=/dev/null", "bs=300M", "count=2"], check=True)

    assert len(ballast) > _LITTLE
    assert 0 < little.peak_bytes < 64 << 20
    assert much.peak_bytes > 256 << 20


def _with_gap(seconds: int) -> Recipe:
    """The recipe of a film in which nothing is shown and heard for so many seconds."""
    late = f"PTS+gte(T,1)*{seconds}/TB"
    steps = ("-vf", f"setpts='{late}'", "-af", f"asetpts='{late}'", "-fps_mode", "vfr")
    return made("a.mkv", *picture(), *tone(), *steps, *X264, "-c:a", "libopus")
