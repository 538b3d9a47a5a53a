"""Two one-thread workers beside one: the same chunks, by the clock on the wall."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from benchmarks.transcode.encode import parts, plan_source, run_arguments
from services.transcoder.encoding.ffmpeg_chunks import encode_chunk


def walls(source: Path, folder: Path) -> tuple[float, float]:
    """Seconds that one worker takes for all chunks of a film, and that two take."""
    runs = parts(plan_source(source, folder))
    taken: list[float] = []
    for count in (1, 2):
        folders = [folder / f"{count}-{number}" for number in range(len(runs))]
        for each in folders:
            each.mkdir()
        cores: SimpleQueue[int] = SimpleQueue()
        for core in sorted(os.sched_getaffinity(0))[:count]:
            cores.put(core)
        started = time.perf_counter()
        with ThreadPoolExecutor(count, initializer=_stay_on_one, initargs=(cores,)) as pool:
            list(pool.map(run_arguments, map(encode_chunk, runs, folders)))
        taken.append(time.perf_counter() - started)
    return taken[0], taken[1]


def _stay_on_one(cores: SimpleQueue[int]) -> None:
    """A worker of one thread is one core: ffmpeg's decoder, filters and encoders are threads even
    where each of them has one, and one worker alone would use both cores."""
    os.sched_setaffinity(0, {cores.get()})
