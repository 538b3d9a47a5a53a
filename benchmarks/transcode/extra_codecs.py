"""The AV1 ladder beside the H.264 ladder: CPU, and bits for the same quality."""

import math
from itertools import pairwise
from pathlib import Path

import msgspec

from benchmarks.transcode.encode import PlannedSource, cpu, plan_source, run_arguments, vmaf
from services.transcoder.encoding.ffmpeg_chunks import encode_chunk
from services.transcoder.planning.extra_codecs import extra_renditions
from shared.contracts import Rendition

# AV1 at these qualities spans what x264 reaches at its own.
_CRFS = (27, 35, 43)


class Beside(msgspec.Struct, frozen=True):
    """CPU seconds of both ladders, one for each pair; the top rendition's bytes at equal VMAF."""

    av1_cpu: list[float]
    h264_cpu: list[float]
    vmaf: float
    av1_bytes: float
    h264_bytes: int


def beside(source: Path, folder: Path, pairs: int) -> Beside:
    """Encode a film as both ladders in turn, one thread each."""
    work = plan_source(source, folder)
    more = extra_renditions(work.renditions, ("av1",))
    av1_cpu: list[float] = []
    h264_cpu: list[float] = []
    for _ in range(pairs):
        for ladder, spent in ((work.renditions, h264_cpu), (more, av1_cpu)):
            before = cpu()
            run_arguments(encode_chunk(work.run(work.whole, ladder), folder))
            spent.append(cpu() - before)
    plain = folder / f"{work.renditions[0].name}.mp4"
    wanted, size = _mean(vmaf(plain, source, folder)), plain.stat().st_size
    curve = [_point(work, more[0], crf, source, folder) for crf in _CRFS]
    return Beside(av1_cpu, h264_cpu, wanted, _bytes_at(wanted, sorted(curve)), size)


def _point(
    work: PlannedSource, top: Rendition, crf: int, source: Path, folder: Path
) -> tuple[float, int]:
    """VMAF and bytes of the top rendition alone at a quality, without the cap."""
    arguments = encode_chunk(work.run(work.whole, (top,)), folder)
    arguments[arguments.index("-crf") + 1] = str(crf)
    for option in ("-maxrate", "-bufsize"):
        at = arguments.index(option)
        del arguments[at : at + 2]
    run_arguments(arguments)
    made = folder / f"{top.name}.mp4"
    return _mean(vmaf(made, source, folder)), made.stat().st_size


def _bytes_at(wanted: float, curve: list[tuple[float, int]]) -> float:
    """Bytes at a VMAF, between two points of the curve by the logarithm, or beyond its end."""
    pairs = list(pairwise(curve))
    (low, few), (high, many) = next((p for p in pairs if p[1][0] >= wanted), pairs[-1])
    part = (wanted - low) / (high - low)
    return math.exp(math.log(few) + part * (math.log(many) - math.log(few)))


def _mean(scores: list[float]) -> float:
    return sum(scores) / len(scores)
