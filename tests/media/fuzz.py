"""Files of the grammar through the pipeline: ``python -m tests.media.fuzz --files 1000``.

Each must play as plain ffmpeg decodes it or say why not; each again with damaged bytes or without
its end; and nothing may take long or much memory. ``--only`` with the ``--seed`` of that run makes
one of them again, and keeps it.
"""

import argparse
import asyncio
import logging
import random
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import structlog

from shared.programs.finding import find_ffmpeg
from tests.media.completeness import lacking
from tests.media.grammar import Recipe, damaged, makes_file, recipe
from tests.media.oracle import differences
from tests.media.pipeline import Processed, process
from tests.media.source_streams import source_streams

# Longer than any of these files takes on a busy machine.
_SECONDS: Final = 120
# More than any of these files needs; a worker has a gibibyte and more.
_MEMORY_BYTES: Final = 768 << 20
_TIMEOUT: Final = 60


async def examine(made: Recipe, folder: Path) -> list[str] | None:
    """What is wrong with the result; None where ffmpeg cannot make the file."""
    source = makes_file(made, folder)
    return None if source is None else await examine_file(made, source, folder)


async def examine_file(made: Recipe, source: Path, folder: Path) -> list[str]:
    """What is wrong with what becomes of a file that ``made`` describes."""
    started = time.monotonic()
    try:
        async with asyncio.timeout(_SECONDS):
            video = await process(source, folder / "media")
    except TimeoutError:
        return [f"not done after {time.monotonic() - started:.0f} s"]
    found = _heavy(video)
    if video.failure:
        return found + _refusal(made, source, video)
    if made.flips:
        # Damaged bytes look different to each decoder that meets them.
        return found + lacking(source_streams(source), video)
    return found + differences(source, video, folder)


async def examine_damaged(made: Recipe, folder: Path) -> list[str]:
    """What is wrong with what becomes of the intact file in ``folder`` when it is damaged."""
    source, worse = folder / f"made.{made.extension}", damaged(made)
    data = await asyncio.to_thread(source.read_bytes)
    await asyncio.to_thread(source.write_bytes, worse.damage(data))
    return await examine_file(worse, source, folder / "damaged")


def _heavy(video: Processed) -> list[str]:
    if video.peak_bytes <= _MEMORY_BYTES:
        return []
    return [f"{video.peak_bytes >> 20} MiB of memory"]


def _refusal(made: Recipe, source: Path, video: Processed) -> list[str]:
    """What is wrong with a refusal: its words, or that plain ffmpeg decodes the file."""
    failure = video.failure
    assert failure is not None
    said = f"{failure.code}: {failure.reason} {failure.detail}"
    if failure.code.startswith(("internal", "encoder", "worker")):
        return [said]
    if made.flips and failure.code in ("media.gap", "media.too_long"):
        # Damaged time stamps claim hours or days, as the reason says.
        return []
    # Of a damaged file, a second must be left.
    least = 1 if made.intact else 1_000_000
    return [f"refused: {said}"] if _decoded(source) >= least else []


def _decoded(source: Path) -> int:
    """The microseconds of pictures or sound that plain ffmpeg decodes; 0 where it fails.

    Its name must not help: only contents decide.
    """
    unnamed = source.with_name("unnamed")
    unnamed.unlink(missing_ok=True)
    unnamed.hardlink_to(source)
    command = [find_ffmpeg(None), "-nostdin", "-v", "error", "-i", str(unnamed), "-progress", "-"]
    command += ["-f", "null", "/dev/null"]
    try:
        found = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        return 0
    times = [line for line in found.stdout.splitlines() if line.startswith("out_time_us=")]
    last = times[-1].partition("=")[2] if times else "0"
    return int(last) if found.returncode == 0 and last.isdigit() else 0


async def _all(numbers: Iterable[int], seed: int) -> int:
    findings = made = 0
    for number in numbers:
        each = recipe(seed, number)
        with TemporaryDirectory() as name:
            folder = Path(name)
            wrong = await examine(each, folder)
            made += wrong is not None
            findings += _told(each.name, wrong or [])
            if wrong is not None and each.intact:
                (folder / "damaged").mkdir()
                findings += _told(f"{each.name} damaged", await examine_damaged(each, folder))
    print(f"seed {seed}: {made} files, {findings} findings")
    return findings


def _told(name: str, wrong: list[str]) -> int:
    """Print what is wrong with a file; returns whether anything is, as a number."""
    if wrong:
        print(f"✗ {name}", *wrong, sep="\n    ", flush=True)
    return min(1, len(wrong))


async def _one(each: Recipe, folder: Path) -> None:
    print(each, await examine(each, folder), sep="\n")
    if each.intact:
        (folder / "damaged").mkdir(exist_ok=True)
        print(damaged(each), await examine_damaged(each, folder), sep="\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--only", type=int, help="number of one file, which is kept in dist/")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if given.only is not None:
        folder = Path("dist/media") / f"{given.seed}-{given.only}"
        folder.mkdir(parents=True, exist_ok=True)
        asyncio.run(_one(recipe(given.seed, given.only), folder))
        return 0
    numbers = range(given.first, given.first + given.files)
    return min(1, asyncio.run(_all(numbers, given.seed)))


if __name__ == "__main__":
    sys.exit(main())
