"""Files of the grammar through the pipeline: ``python -m tests.media.fuzz --files 1000``.

Each must play as plain ffmpeg decodes it or say why not, and nothing may take long. ``--only`` with
the ``--seed`` of that run makes one of them again, and keeps it.
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
from tests.media.grammar import Recipe, makes_file, recipe
from tests.media.oracle import differences
from tests.media.pipeline import process

# Longer than any of these files takes on a busy machine.
_SECONDS: Final = 120


async def examine(made: Recipe, folder: Path) -> list[str] | None:
    """What is wrong with the result; None where ffmpeg cannot make the file."""
    source = makes_file(made, folder)
    if source is None:
        return None
    started = time.monotonic()
    try:
        async with asyncio.timeout(_SECONDS):
            video = await process(source, folder / "media")
    except TimeoutError:
        return [f"not done after {time.monotonic() - started:.0f} s"]
    if not video.failure:
        # Damaged bytes look different to each decoder that meets them.
        return [] if made.flips else differences(source, video, folder)
    if video.failure.code.startswith(("internal", "encoder", "worker")):
        return [f"{video.failure.code}: {video.failure.detail or video.failure.reason}"]
    if made.intact or _decodes(source):
        return [f"refused: {video.failure.code}: {video.failure.reason} {video.failure.detail}"]
    return []


def _decodes(source: Path) -> bool:
    """Whether plain ffmpeg decodes a second of pictures or sound of a damaged file."""
    command = [find_ffmpeg(None), "-nostdin", "-v", "error", "-i", str(source), "-progress", "-"]
    command += ["-f", "null", "/dev/null"]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    times = [line for line in found.stdout.splitlines() if line.startswith("out_time_us=")]
    last = times[-1].partition("=")[2] if times else "0"
    return found.returncode == 0 and last.isdigit() and int(last) >= 1_000_000


async def _all(numbers: Iterable[int], seed: int) -> int:
    findings = made = 0
    for number in numbers:
        each = recipe(seed, number)
        with TemporaryDirectory() as folder:
            wrong = await examine(each, Path(folder))
        made += wrong is not None
        if wrong:
            findings += 1
            print(f"✗ {each.name}", *wrong, sep="\n    ", flush=True)
    print(f"seed {seed}: {made} files, {findings} findings")
    return findings


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--only", type=int, help="number of one file, which is kept in dist/")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if given.only is not None:
        folder = Path("dist/media") / f"{given.seed}-{given.only}"
        folder.mkdir(parents=True, exist_ok=True)
        each = recipe(given.seed, given.only)
        print(each, asyncio.run(examine(each, folder)), folder, sep="\n")
        return 0
    return min(1, asyncio.run(_all(range(given.files), given.seed)))


if __name__ == "__main__":
    sys.exit(main())
