"""The split encode beside one plain ffmpeg command for the same ladder: CPU, quality, size."""

import asyncio
import json
import resource
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from services.transcoder import boxes
from services.transcoder.facts import Source
from services.transcoder.ffmpeg import ChunkRun, Input, encode_chunk
from services.transcoder.ladder import ladder
from services.transcoder.plan import Timeline, chunks, timeline
from services.transcoder.programs import find_ffmpeg, find_ffprobe
from services.transcoder.source import examine
from services.transcoder.task_video import cut
from shared.contracts import Chunk, Rendition


class Comparison(msgspec.Struct, frozen=True):
    """CPU seconds of both; mean VMAF and bytes of the top rendition of both."""

    split_cpu: float
    single_cpu: float
    split_vmaf: float
    single_vmaf: float
    worst_start: float
    split_bytes: int
    single_bytes: int


def film(folder: Path, clip: Path, seconds: int) -> Path:
    """Real footage, repeated to a length, as a person's camera would have encoded it."""
    target = folder / "film.mp4"
    _run(
        *("-stream_loop", "-1", "-i", str(clip), "-t", str(seconds), "-an"),
        *("-preset", "veryfast", "-crf", "18", "-g", "100", str(target)),
    )
    return target


def compare(source: Path, folder: Path) -> Comparison:
    """Encode a source both ways, one thread each."""
    given = Input(str(source), remote=False)
    found = asyncio.run(examine(find_ffprobe(None), given, source.stat().st_size, folder))
    line = timeline(found.frame_rate)
    planned = chunks(line, found.duration or 0)
    renditions = ladder(found.facts)
    before = _cpu()
    split = _split(given, found, line, planned, renditions, folder)
    between = _cpu()
    whole = Chunk(
        index=0,
        first_segment=0,
        segments=sum(chunk.segments for chunk in planned),
        first_frame=0,
        frames=sum(chunk.frames or 0 for chunk in planned),
    )
    run = _chunk_run(given, found, line, whole, renditions, last=True)
    single_folder = folder / "single"
    single_folder.mkdir()
    _run_arguments(encode_chunk(run, single_folder))
    after = _cpu()
    single = single_folder / f"{renditions[0].name}.mp4"
    split_scores, single_scores = _vmaf(split, source, folder), _vmaf(single, source, folder)
    starts = [chunk.first_frame for chunk in planned[1:]]
    return Comparison(
        split_cpu=between - before,
        single_cpu=after - between,
        split_vmaf=sum(split_scores) / len(split_scores),
        single_vmaf=sum(single_scores) / len(single_scores),
        worst_start=min((split_scores[n] - single_scores[n] for n in starts), default=0.0),
        split_bytes=split.stat().st_size,
        single_bytes=single.stat().st_size,
    )


def _split(
    given: Input,
    found: Source,
    line: Timeline,
    planned: Sequence[Chunk],
    renditions: tuple[Rendition, ...],
    folder: Path,
) -> Path:
    """As the workers do it: the lowest rendition of the first chunk alone, then the rest."""
    top = renditions[0].name
    bodies: dict[int, bytes] = {}
    for chunk in planned:
        last = chunk is planned[-1]
        parts = [renditions]
        if chunk.index == 0 and len(renditions) > 1:
            parts = [renditions[-1:], renditions[:-1]]
        for part in parts:
            run = _chunk_run(given, found, line, chunk, part, last=last)
            _run_arguments(encode_chunk(run, folder))
        data = (folder / f"{top}.mp4").read_bytes()
        bodies[chunk.index] = cut(data, boxes.fragments(data), chunk, line)[0]
    target = folder / "split.mp4"
    init = boxes.init_segment((folder / f"{top}.mp4").read_bytes())
    target.write_bytes(init + b"".join(bodies[index] for index in sorted(bodies)))
    return target


def _chunk_run(
    given: Input,
    found: Source,
    line: Timeline,
    chunk: Chunk,
    renditions: tuple[Rendition, ...],
    *,
    last: bool,
) -> ChunkRun:
    if found.facts.video is None:
        raise ValueError("the source has no picture")
    return ChunkRun(
        source=given,
        video=found.facts.video,
        chunk=chunk,
        line=line,
        renditions=renditions,
        last=last,
        preset="veryfast",
        threads=1,
    )


def _vmaf(encoded: Path, source: Path, folder: Path) -> list[float]:
    """VMAF of each frame against the source, frame by frame whatever their time bases."""
    log = folder / "vmaf.json"
    count = "settb=AVTB,setpts=N*1000"
    _run(
        *("-v", "fatal", "-i", str(encoded), "-i", str(source), "-lavfi"),
        f"[0:v]{count}[a];[1:v]{count}[b];[a][b]libvmaf=log_fmt=json:log_path={log}:n_threads=2",
        *("-fps_mode", "passthrough"),
        *("-f", "null", "-"),
    )
    frames = json.loads(log.read_text())["frames"]
    return [frame["metrics"]["vmaf"] for frame in frames]


def _run(*arguments: str) -> None:
    _run_arguments(["-nostdin", "-v", "error", "-y", *arguments])


def _run_arguments(arguments: Sequence[str]) -> None:
    subprocess.run(
        [find_ffmpeg(None), *arguments], check=True, stdout=subprocess.DEVNULL, timeout=1800
    )


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
