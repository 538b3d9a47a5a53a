"""The source as its own top rendition: no frame lost, and the ladder below in step with it."""

import random
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from services.transcoder.encoding.ffmpeg import Input
from services.transcoder.encoding.ffmpeg_chunks import ChunkRun, encode_chunk, read_from
from services.transcoder.encoding.probe import probe_indexed, probe_source
from services.transcoder.encoding.source_reader import SourceReader
from services.transcoder.encoding.source_relay import SourceRelay
from services.transcoder.mp4 import fragment_writer
from services.transcoder.mp4.sample_index import SampleTrack, read_index
from services.transcoder.planning.passthrough import (
    PassthroughVerdict,
    check_passthrough,
    passthrough_ladder,
    segment_samples,
)
from services.transcoder.planning.plan import chunks, timeline, timeline_along
from services.transcoder.planning.probe_report import ProbedSource
from services.transcoder.worker.task_remux import check as check_remux
from services.transcoder.worker.task_video import check, cut
from shared.mp4 import fragment_reader
from shared.mp4.boxes import MalformedMp4
from shared.programs.finding import find_ffmpeg, find_ffprobe
from shared.programs.process import run_ffmpeg
from tests.integration.transcoder.clips import ffmpeg
from tests.integration.transcoder.counted import Counted
from tests.integration.transcoder.test_transcoder_frames import LIMITS
from tests.integration.transcoder.test_transcoder_frames import numbers as half_numbers

SECONDS = 9
# Far enough apart that scaling and encoding do not turn one into the next.
GREYS = 50
NUMBERED = f"geq=lum=20+4*mod(N\\,{GREYS}):cb=128:cr=128"


def numbers(init: bytes, body: bytes, folder: Path) -> list[int]:
    """The numbers of the frames, as they are shown."""
    return [round(number / 2) for number in half_numbers(init, body, folder)]


def film(target: Path, rate: str, *options: str, seconds: float = SECONDS, more: str = "") -> Path:
    """Numbered greys, large enough to be worth a ladder, with a key frame every two seconds."""
    picture = f"color=size=64x36:rate={rate}:duration={seconds},{NUMBERED}{more},scale=512:288"
    gop = str(2 * round(Fraction(rate)))
    ffmpeg(
        *("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", f"sine=duration={seconds}"),
        *("-preset", "ultrafast", "-qp", "4", "-g", gop, "-bf", "2", *options, str(target)),
    )
    return target


class Looked:
    """A source as the plan task sees it."""

    def __init__(
        self, path: Path, source: ProbedSource, track: SampleTrack, fit: PassthroughVerdict
    ) -> None:
        self.path, self.source, self.track, self.fit = path, source, track, fit


async def look(path: Path, folder: Path) -> Looked:
    sources = SourceReader(Counted(path).store, Counted(path).store, SourceRelay())
    known = await sources.indexed("source")
    assert known is not None
    outline = await sources.open_outline(known, folder)
    found = await probe_indexed(find_ffprobe(None), known, outline, folder)
    whole = await probe_source(
        find_ffprobe(None), Input(str(path), remote=False), known.size, folder
    )
    # The tables alone say what reading all of it says; but where an edit list cuts, ffprobe is off
    # by a frame.
    assert found.facts.video == whole.facts.video
    assert found.facts.audio == whole.facts.audio
    assert abs(found.facts.duration_ms - whole.facts.duration_ms) <= 1000 / found.frame_rate
    assert found.start == whole.start
    track = known.index.picture
    assert track is not None
    fit = check_passthrough(found.facts, track, found.frame_rate, found.start)
    return Looked(path, found, track, fit)


def copied(looked: Looked) -> tuple[bytes, bytes, list[tuple[int, int]]]:
    """Init segment, all fragments, and when each segment starts and ends."""
    track, fit = looked.track, looked.fit
    data = looked.path.read_bytes()
    line = timeline_along(looked.source.frame_rate, fit.borders)
    of = fragment_writer.output_clock(track, fit.delay_us, line.timescale)
    body = bytearray()
    times: list[tuple[int, int]] = []
    borders = [*fit.samples, track.count]
    for number, first in enumerate(fit.samples):
        samples = range(first, borders[number + 1])
        media = b"".join(
            data[track.offsets[n] : track.offsets[n] + track.sizes[n]] for n in samples
        )
        assert fragment_writer.has_idr(media[: track.sizes[first]], track.entry)
        made = fragment_writer.write_fragment(track, of, samples, number + 1, media)
        check_remux(made, track, of, samples.start, samples.stop)
        times.append((of.shown(track, samples.start), of.shown(track, samples.stop)))
        body += made
    return fragment_writer.write_init_segment(track, of), bytes(body), times


async def below(looked: Looked, folder: Path) -> tuple[bytes, bytes, list[Fraction]]:
    """The lowest rendition, each chunk from just the part of the source that it needs."""
    source, fit = looked.source, looked.fit
    video = source.facts.video
    assert video is not None
    top, *_, lowest = passthrough_ladder(source.facts)
    assert top.passthrough
    line = timeline_along(source.frame_rate, fit.borders)
    planned = chunks(line, source.duration or 0)
    sources = SourceReader(Counted(looked.path).store, Counted(looked.path).store, SourceRelay())
    inits: set[bytes] = set()
    bodies: dict[int, bytes] = {}
    starts: list[Fraction] = []
    gap = video.longest_frame_ms / 1000
    for chunk in reversed(planned):
        begin = looked.source.start + read_from(chunk, line, video)
        stop = looked.source.start + gap
        stop += float((chunk.first_frame + (chunk.frames or 0)) / line.frame_rate)
        part = await sources.open_range("source", folder, begin, stop)
        assert not part.remote
        run = ChunkRun(
            source=part,
            video=video,
            chunk=chunk,
            line=line,
            renditions=(lowest,),
            last=chunk is planned[-1],
            preset="superfast",
            threads=1,
        )
        await run_ffmpeg([find_ffmpeg(None), *encode_chunk(run, folder)], folder, LIMITS)
        data = (folder / f"{lowest.name}.mp4").read_bytes()
        found = fragment_reader.read_fragments(data)
        bodies[chunk.index], segments = cut(data, found, chunk, line)
        check(run, segments, found)
        inits.add(fragment_reader.read_init_segment(data))
        starts += [Fraction(segment.start, line.timescale) for segment in segments]
    assert len(inits) == 1
    return inits.pop(), b"".join(bodies[index] for index in range(len(planned))), sorted(starts)


@pytest.mark.parametrize(
    ("rate", "name", "options"),
    [
        ("24000/1001", "a.mp4", ()),
        ("25", "a.mov", ("-bf", "0", "-profile:v", "baseline")),
        ("30000/1001", "a.mp4", ("-movflags", "+negative_cts_offsets")),
        ("30", "a.mp4", ("-movflags", "+faststart", "-bf", "3", "-b_strategy", "0")),
        ("50", "a.mp4", ("-output_ts_offset", "7.3")),
        ("60000/1001", "a.mp4", ("-g", "90")),
    ],
)
async def test_source_and_ladder_count_on_together(
    rate: str, name: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    looked = await look(film(tmp_path / name, rate, *options), tmp_path)
    assert looked.fit.reason is None
    assert len(looked.fit.samples) >= 2
    init, body, times = copied(looked)
    frames = looked.track.count
    assert abs(frames - SECONDS * Fraction(rate)) <= 1
    assert numbers(init, body, tmp_path) == [n % GREYS for n in range(frames)]
    assert fragment_reader.read_track(init).codecs.startswith("avc1.")

    init, body, starts = await below(looked, tmp_path)
    seen = numbers(init, body, tmp_path)
    # A picture that comes late is held from the beginning on.
    held = len(seen) - frames
    assert 0 <= held <= round(Fraction(looked.fit.delay_us, 1_000_000) * Fraction(rate)) + 1
    early = round(Fraction(looked.fit.delay_us, 1_000_000) * Fraction(rate))
    expected = [0] * early + [n % GREYS for n in range(frames)]
    wrong = [n for n, grey in enumerate(seen[:frames]) if grey != expected[n]]
    assert wrong == []

    ticks = timeline(looked.source.frame_rate).timescale
    assert len(starts) == len(times)
    assert all(stop == start for (_, stop), (start, _) in pairwise(times))
    for start, (shown, _) in zip(starts, times, strict=True):
        assert abs(start - Fraction(shown, ticks)) <= Fraction(1, 2) / Fraction(rate)


async def test_a_variable_rate_is_copied_with_its_own_times(tmp_path: Path) -> None:
    holes = ",select=not(between(mod(n\\,50)\\,5\\,11))"
    path = film(tmp_path / "a.mp4", "25", "-fps_mode", "vfr", more=holes)
    looked = await look(path, tmp_path)
    assert looked.fit.reason is None
    init, body, times = copied(looked)
    kept = [n for n in range(25 * SECONDS) if not 5 <= n % 50 <= 11]
    assert numbers(init, body, tmp_path) == [n % GREYS for n in kept]
    shown = [time for time, _ in times]
    assert shown == sorted(shown)
    init, body, starts = await below(looked, tmp_path)
    step = 25 / looked.source.frame_rate
    for n, grey in enumerate(numbers(init, body, tmp_path)):
        latest = [m % GREYS for m in kept if abs(m - n * step) <= 8]
        assert grey in latest
    for start, time in zip(starts, shown, strict=True):
        assert abs(
            start - Fraction(time, timeline(looked.source.frame_rate).timescale)
        ) <= Fraction(1, 50)


async def test_a_picture_that_comes_late_is_held_from_the_beginning(tmp_path: Path) -> None:
    plain = film(tmp_path / "plain.mp4", "25", seconds=5)
    late = tmp_path / "late.mp4"
    ffmpeg(
        *("-i", str(plain), "-itsoffset", "0.2", "-i", str(plain)),
        *("-map", "1:v", "-map", "0:a", "-c", "copy", str(late)),
    )
    looked = await look(late, tmp_path)
    assert abs(looked.fit.delay_us - 200_000) <= 1000
    init, body, times = copied(looked)
    first, second, *_ = fragment_reader.read_fragments(init + body)
    assert (first.start, times[0][0]) == (0, 0)
    seconds = Fraction(second.start, timeline(looked.source.frame_rate).timescale)
    assert abs(seconds - Fraction(42, 10)) <= Fraction(1, 1000)


@pytest.mark.parametrize(
    ("reason", "options", "seconds"),
    [
        ("refer across", ("-x264-params", "open-gop=1:scenecut=0:bframes=3:b-adapt=0"), 10),
        ("too far apart", ("-g", "300", "-keyint_min", "300", "-sc_threshold", "0"), 10),
        ("8 bits", ("-pix_fmt", "yuv420p10le"), 1),
        ("8 bits", ("-c:v", "mpeg4"), 1),
        ("interlaced", ("-vf", "setfield=tff", "-flags", "+ildct+ilme"), 1),
        ("square", ("-vf", "setsar=2"), 1),
        ("larger", ("-s", "2560x1440", "-r", "2"), 1),
        ("so small", ("-s", "320x180"), 1),
        ("bit rate", ("-vf", "noise=alls=100:allf=t", "-qp", "1"), 2),
        ("per second", ("-r", "120"), 1),
    ],
)
async def test_what_is_not_fit_is_encoded(
    reason: str, options: tuple[str, ...], seconds: int, tmp_path: Path
) -> None:
    path = film(tmp_path / "a.mp4", "25", *options, seconds=seconds)
    assert reason in ((await look(path, tmp_path)).fit.reason or "")


async def test_turned_and_trimmed_sources_are_encoded(tmp_path: Path) -> None:
    plain = film(tmp_path / "plain.mp4", "25", seconds=5)
    copy = ("-i", str(plain), "-c", "copy")
    ffmpeg("-display_rotation", "90", *copy, str(tmp_path / "turned.mp4"))
    ffmpeg("-ss", "2.5", *copy, str(tmp_path / "trimmed.mp4"))
    turned = await look(tmp_path / "turned.mp4", tmp_path)
    assert "rotated" in (turned.fit.reason or "")
    trimmed = await look(tmp_path / "trimmed.mp4", tmp_path)
    assert "edit list" in (trimmed.fit.reason or "")


async def test_damaged_tables_are_refused_or_read_never_worse(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", "25", seconds=2)
    known = await SourceReader(Counted(path).store, Counted(path).store, SourceRelay()).indexed(
        "source"
    )
    assert known is not None
    moov = next(piece.data for piece in known.pieces if piece.data[4:8] == b"moov")
    chance = random.Random(7)
    for _ in range(400):
        damaged = bytearray(moov)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(8, len(damaged))] = chance.choice((0, 1, 0x7F, 0xFF))
        try:
            cut = chance.choice((len(moov), len(moov) // 2))
            index = read_index(bytes(damaged[:cut]), path.stat().st_size)
        except MalformedMp4:
            continue
        for track in index.tracks:
            assert track.count == len(track.offsets) == len(track.decode) == len(track.composition)
            segment_samples(track)
            track.bytes_between(0.5, 1.0, 8)
