"""What a live and its viewers cost: CPU seconds and memory."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from benchmarks.live import sending
from benchmarks.live.stage import Effort, Live, Stage
from benchmarks.live.table import Row, say, spread
from tests.support.real_parts import ROOT

_LIVES: Final = 2
_SETTLE_SECONDS: Final = 20.0
# After which a window of a minute is full, and memory grows no more.
_WINDOW_SECONDS: Final = 75.0
_MEGABYTE: Final = 1e6


def cpu(stage: Stage, effort: Effort) -> list[Row]:
    """Two lives in 1080p30 beside each other; a live's share of the service's memory."""
    time.sleep(_SETTLE_SECONDS)
    alone = stage.used_by("live")
    with _films(stage, _LIVES) as lives:
        videos = [stage.running(live) for live in lives]
        time.sleep(min(_WINDOW_SECONDS, effort.seconds))
        cores: list[float] = []
        own: list[float] = []
        for _ in range(effort.rounds):
            both, service = _cores(stage, effort.seconds / effort.rounds)
            cores.append(both / _LIVES)
            own.append(service / _LIVES)
        memory = (stage.used_by("live").memory - alone.memory) / _LIVES / _MEGABYTE
        renditions = [stage.renditions(video) for video in videos]
    what = f"core per 1080p30 live with {renditions[0]} renditions, the service's share in it"
    say(f"  renditions of each: {renditions}; the service alone {spread(own, 'cores', 3)}")
    return [
        Row(what, spread(cores, "cores", 3), "0.45", "0.35"),
        Row("of it, the service beside ffmpeg", spread(own, "cores", 3)),
        Row("memory of the service per live, beside ffmpeg", f"{memory:.0f} MB", "80 MB", "40 MB"),
    ]


@contextmanager
def _films(stage: Stage, count: int) -> Iterator[list[Live]]:
    """Lives of a film that is encoded already."""
    with tempfile.TemporaryDirectory(prefix="cinelog-bench-") as folder, ExitStack() as senders:
        film = sending.film(Path(folder))
        lives = [stage.live("Film") for _ in range(count)]
        for live in lives:
            command = sending.film_command(film, live.address)
            senders.enter_context(sending.publishing(command))
        yield lives
        for live in lives:
            stage.complete(live)


def _cores(stage: Stage, seconds: float) -> tuple[float, float]:
    """Cores that live and its programs use, and live alone."""
    began, own, below = time.monotonic(), stage.used_by("live"), stage.used_below("live")
    time.sleep(seconds)
    passed = time.monotonic() - began
    alone = stage.used_by("live").seconds - own.seconds
    return (alone + stage.used_below("live") - below) / passed, alone / passed


def viewers(stage: Stage, effort: Effort) -> list[Row]:
    """A crowd at one gateway: its CPU seconds for each second of each viewer."""
    found: list[float] = []
    rates: list[float] = []
    with _films(stage, 1) as (live,):
        video = stage.running(live)
        url = f"{stage.url}/media/public/{video}/live/index.m3u8"
        time.sleep(_SETTLE_SECONDS)
        for _ in range(effort.rounds):
            before, crowd = stage.used_by("gateway"), _crowd(url, effort.seconds)
            used = stage.used_by("gateway").seconds - before.seconds
            answers, refused, seconds = crowd
            found.append(CROWD * seconds / used)
            rates.append(answers / seconds / CROWD)
            say(f"  {CROWD} viewers: {answers} answers in {seconds:.1f} s, {refused} refused")
    return [
        Row("viewers per gateway core", spread(found, "", 0), "700", "1,500"),
        Row("of it, requests of a viewer in a second", spread(rates, "/s", 1)),
    ]


CROWD: Final = 150
"""Viewers at once: as many as leave the machine time for the rest."""


def _crowd(url: str, seconds: float) -> tuple[int, int, float]:
    """Answers, refusals, and the seconds that it took."""
    command = [sys.executable, "-m", "benchmarks.live.crowd", url, str(CROWD), str(seconds)]
    said = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout
    answers, refused, took = said.split()
    return int(answers), int(refused), float(took)
