"""The split encode beside one plain ffmpeg command for the same ladder: CPU, quality, size.

Both are encoded in turn, several times; what counts is the median of the pairs' ratios.
"""

import asyncio
import json
import resource
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from services.transcoder.encoding.ffmpeg import Input
from services.transcoder.encoding.ffmpeg_chunks import ChunkRun, encode_chunk
from services.transcoder.encoding.probe import probe_source
from services.transcoder.planning.ladder import ladder
from services.transcoder.planning.plan import Timeline, chunks, timeline
from services.transcoder.planning.probe_report import ProbedSource
from services.transcoder.worker.task_video import cut
from shared.contracts import Chunk, Rendition
from shared.mp4 import fragment_reader
from shared.programs.finding import find_ffmpeg, find_ffprobe


class Comparison(msgspec.Struct, frozen=True):
    """CPU seconds of both, one for each pair; mean VMAF and bytes of the top rendition of both."""

    split_cpu: list[float]
    single_cpu: list[float]
    split_vmaf: float
    single_vmaf: float
    worst_start: float
    split_bytes: int
    single_bytes: int

    @property
    def ratios(self) -> list[float]:
        return [a / b for a, b in zip(self.split_cpu, self.single_cpu, strict=True)]


class PlannedSource(msgspec.Struct, frozen=True):
    """A source, looked at and planned as the planner does it."""

    given: Input
    found: ProbedSource
    line: Timeline
    planned: tuple[Chunk, ...]
    renditions: tuple[Rendition, ...]

    @property
    def whole(self) -> Chunk:
        """All of it as one chunk."""
        return Chunk(
            index=0,
            first_segment=0,
            segments=sum(chunk.segments for chunk in self.planned),
            first_frame=0,
            frames=sum(chunk.frames or 0 for chunk in self.planned),
        )

    def run(self, chunk: Chunk, renditions: tuple[Rendition, ...] | None = None) -> ChunkRun:
        """One thread, as the workers do it."""
        if self.found.facts.video is None:
            raise ValueError("the source has no picture")
        return ChunkRun(
            source=self.given,
            video=self.found.facts.video,
            chunk=chunk,
            line=self.line,
            renditions=self.renditions if renditions is None else renditions,
            last=chunk.first_frame + (chunk.frames or 0) == self.whole.frames,
            preset="veryfast",
            threads=1,
        )


def plan_source(source: Path, folder: Path) -> PlannedSource:
    """Look at a source and plan it."""
    given = Input(str(source), remote=False)
    found = asyncio.run(probe_source(find_ffprobe(None), given, source.stat().st_size, folder))
    line = timeline(found.frame_rate)
    return PlannedSource(given, found, line, chunks(line, found.duration or 0), ladder(found.facts))


def film(folder: Path, clip: Path, seconds: int) -> Path:
    """Real footage, repeated to a length, as a person's camera would have encoded it."""
    target = folder / "film.mp4"
    _run(
        *("-stream_loop", "-1", "-i", str(clip), "-t", str(seconds), "-an"),
        *("-preset", "veryfast", "-crf", "18", "-g", "100", str(target)),
    )
    return target


def compare(source: Path, folder: Path, pairs: int) -> Comparison:
    """Encode a source both ways in turn, one thread each."""
    work = plan_source(source, folder)
    single_folder = folder / "single"
    single_folder.mkdir()
    split_cpu: list[float] = []
    single_cpu: list[float] = []
    split = folder / "split.mp4"
    for _ in range(pairs):
        before = cpu()
        _split(work, folder, split)
        between = cpu()
        run_arguments(encode_chunk(work.run(work.whole), single_folder))
        split_cpu.append(between - before)
        single_cpu.append(cpu() - between)
    single = single_folder / f"{work.renditions[0].name}.mp4"
    split_scores, single_scores = vmaf(split, source, folder), vmaf(single, source, folder)
    starts = [chunk.first_frame for chunk in work.planned[1:]]
    return Comparison(
        split_cpu=split_cpu,
        single_cpu=single_cpu,
        split_vmaf=sum(split_scores) / len(split_scores),
        single_vmaf=sum(single_scores) / len(single_scores),
        worst_start=min((split_scores[n] - single_scores[n] for n in starts), default=0.0),
        split_bytes=split.stat().st_size,
        single_bytes=single.stat().st_size,
    )


def parts(work: PlannedSource) -> list[ChunkRun]:
    """What the workers do: the lowest rendition of the first chunk alone, then the rest."""
    runs: list[ChunkRun] = []
    for chunk in work.planned:
        sets = [work.renditions]
        if chunk.index == 0 and len(work.renditions) > 1:
            sets = [work.renditions[-1:], work.renditions[:-1]]
        runs += [work.run(chunk, each) for each in sets]
    return runs


def _split(work: PlannedSource, folder: Path, target: Path) -> None:
    top = work.renditions[0].name
    bodies: dict[int, bytes] = {}
    for run in parts(work):
        run_arguments(encode_chunk(run, folder))
        if work.renditions[0] in run.renditions:
            data = (folder / f"{top}.mp4").read_bytes()
            bodies[run.chunk.index] = cut(
                data, fragment_reader.read_fragments(data), run.chunk, work.line
            )[0]
    init = fragment_reader.read_init_segment((folder / f"{top}.mp4").read_bytes())
    target.write_bytes(init + b"".join(bodies[index] for index in sorted(bodies)))


def vmaf(encoded: Path, source: Path, folder: Path) -> list[float]:
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
    run_arguments(["-nostdin", "-v", "error", "-y", *arguments])


def run_arguments(arguments: Sequence[str]) -> None:
    """Run ffmpeg."""
    subprocess.run(
        [find_ffmpeg(None), *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=1800,
        env={"SVT_LOG": "1"},
    )


def cpu() -> float:
    """CPU seconds of all ffmpeg runs so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
