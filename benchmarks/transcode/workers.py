"""Two one-thread workers beside one: the same chunks, by the clock on the wall."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.transcode.encode import job, parts, run_arguments
from services.transcoder.ffmpeg import encode_chunk


def walls(source: Path, folder: Path) -> tuple[float, float]:
    """Seconds that one worker takes for all chunks of a film, and that two take."""
    runs = parts(job(source, folder))
    taken: list[float] = []
    for count in (1, 2):
        folders = [folder / f"{count}-{number}" for number in range(len(runs))]
        for each in folders:
            each.mkdir()
        started = time.perf_counter()
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(run_arguments, map(encode_chunk, runs, folders)))
        taken.append(time.perf_counter() - started)
    return taken[0], taken[1]
