"""A small file cannot cost much: what is queued is in proportion to what the file really holds
(OWASP ASVS 5, V5.2: file upload and content)."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from services.transcoder.encoding.ffmpeg import Input
from services.transcoder.encoding.ffmpeg_chunks import ChunkRun, encode_chunk
from services.transcoder.planning.ladder import ladder
from services.transcoder.planning.media_errors import MediaRejected
from services.transcoder.planning.plan import timeline
from shared.contracts import Chunk, SourceFacts, VideoTrack
from shared.programs.confinement import Limits
from shared.programs.container_memory import memory_of_one_run, memory_of_runs
from shared.programs.finding import find_ffmpeg
from shared.programs.process import run_ffmpeg
from tests.integration.transcoder.clips import ffmpeg
from tests.security.media.hostile_media import (
    DAY,
    FRAMES,
    RATE,
    PlanStage,
    film,
    output_frames,
    with_edits,
    with_gap,
    with_jump,
    with_long_last_frame,
    with_sound,
)
from tests.security.media.made_moov import box, moov
from tests.security.media.made_moov import film as tables

# A held picture and some repeated frames are in proportion, hours are not.
MOST = FRAMES + 250 + 1800 + RATE

LATE_SOUND = f"sine=duration=4,asetpts=PTS+gte(N\\,20)*{DAY}/TB"

HOSTILE: dict[str, Callable[[Path], Path]] = {
    "gap.mp4": lambda path: with_gap(path, DAY),
    "gap.mkv": lambda path: with_gap(path, DAY),
    "gap.webm": lambda path: with_gap(path, DAY, "-c:v", "libvpx"),
    "gap.flv": lambda path: with_gap(path, DAY),
    "short-gap.mp4": lambda path: with_gap(path, 1200),
    "gap-at-once.mkv": lambda path: with_gap(path, 40_000, after=1),
    "gaps.mp4": lambda path: film(path, "-vf", "setpts=N*600/TB"),
    "fragments.mp4": lambda path: with_gap(path, 40_000, "-movflags", "frag_keyframe+empty_moov"),
    "last.mp4": lambda path: with_long_last_frame(path, DAY),
    "edits.mp4": lambda path: with_edits(path, (DAY, 0)),
    "empty-edit.mp4": lambda path: with_edits(path, (2, 0), (DAY, -1), (2, 2)),
    "repeated.mp4": lambda path: with_edits(path, *[(50, 0)] * 1700),
    "late-sound.mp4": lambda path: with_sound(path, LATE_SOUND),
    "late-sound.mkv": lambda path: with_sound(path, LATE_SOUND),
    "jump.ts": lambda path: with_jump(path, 3600),
    "far-jump.ts": lambda path: with_jump(path, 80_000),
    "start.mkv": lambda path: film(path, "-vf", f"setpts=PTS+{DAY}/TB"),
    "fast.mp4": lambda path: film(path, "-enc_time_base", "1/1000000", rate="1000000"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_is_planned_is_in_proportion_to_what_there_is(name: str, tmp_path: Path) -> None:
    source = HOSTILE[name](tmp_path / name)
    assert source.stat().st_size < 600_000
    refusal: MediaRejected | None = None
    try:
        planned = await PlanStage(tmp_path).plan(source)
    except MediaRejected as error:
        refusal = error
    else:
        assert output_frames(planned) <= MOST
        assert len(planned.chunks) <= 5
    if refusal is not None:
        assert refusal.code in ("media.gap", "media.too_long", "media.truncated")
        assert refusal.reason.endswith(".")


async def test_a_jump_of_a_transport_stream_is_closed(tmp_path: Path) -> None:
    planned = await PlanStage(tmp_path).plan(with_jump(tmp_path / "jump.ts", 3600))
    assert planned.source.duration_ms < 15_000
    assert planned.remuxed_key is not None


HONEST: dict[str, tuple[Callable[[Path], Path], float]] = {
    "slides.mp4": (lambda path: film(path, frames=6, rate="1/30"), 180),
    "quiet-screen.mp4": (
        lambda path: film(path, "-vf", "setpts=floor(N/10)*8/TB+mod(N\\,10)*0.04/TB"), 40,
    ),
    "one-picture.mp4": (
        lambda path: with_sound(path, "sine=duration=300", "-r", "1", "-frames:v", "300"), 300,
    ),
    "pause.mkv": (lambda path: with_gap(path, 45), 47.4),
    "time-lapse.mp4": (lambda path: film(path, frames=400, rate="1/2"), 800),
}  # fmt: skip


@pytest.mark.parametrize("name", HONEST)
async def test_honest_files_that_change_rarely_are_planned_whole(name: str, tmp_path: Path) -> None:
    make, seconds = HONEST[name]
    planned = await PlanStage(tmp_path).plan(make(tmp_path / name))
    assert planned.source.duration_ms / 1000 == pytest.approx(seconds, rel=0.1, abs=2)


async def test_an_index_larger_than_its_file_is_refused_at_once(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    index = moov(*[tables(2_000_000, size=1000)] * 32)
    source.write_bytes(box("ftyp", b"isom", bytes(4)) + index + box("mdat", bytes(1000)))
    assert source.stat().st_size < 20_000
    with pytest.raises(MediaRejected) as caught:
        await PlanStage(tmp_path).plan(source)
    assert caught.value.code == "media.truncated"


def with_many_streams(target: Path) -> Path:
    plain = with_sound(target.with_name(f"plain-{target.name}"), "sine=duration=2")
    ffmpeg("-i", str(plain), "-map", "0:v", *["-map", "0:a"] * 100, "-c", "copy", str(target))
    return target


def with_many_tracks(target: Path) -> Path:
    """Tracks that cost 600 bytes each."""
    index = moov(*[tables(1)] * 2000)
    target.write_bytes(box("ftyp", b"isom", bytes(4)) + index + box("mdat", bytes(1000)))
    return target


def with_large_picture(target: Path) -> Path:
    picture = ("-f", "lavfi", "-i", "color=size=8200x8200", "-frames:v", "1", "-c:v", "png")
    ffmpeg(*picture, "-threads", "1", str(target))
    return target


ABSURD: dict[str, tuple[Callable[[Path], Path], set[str]]] = {
    "streams.mkv": (with_many_streams, {"media.too_many_streams"}),
    "streams.mp4": (with_many_streams, {"media.too_many_streams"}),
    "tracks.mp4": (with_many_tracks, {"media.too_many_streams", "media.too_complex"}),
    "large.mkv": (with_large_picture, {"media.too_large_picture"}),
}


@pytest.mark.parametrize("name", ABSURD)
async def test_absurd_numbers_are_refused_in_words(name: str, tmp_path: Path) -> None:
    make, codes = ABSURD[name]
    with pytest.raises(MediaRejected) as caught:
        await PlanStage(tmp_path).plan(make(tmp_path / name))
    assert caught.value.code in codes
    assert caught.value.reason.endswith(".")


async def test_many_chapters_are_left_out(tmp_path: Path) -> None:
    words = tmp_path / "chapters"
    chapters = "".join(
        f"[CHAPTER]\nTIMEBASE=1/1\nSTART={n * 100}\nEND={n * 100 + 99}\ntitle=chapter {n}\n"
        for n in range(3000)
    )
    words.write_text(f";FFMETADATA1\n{chapters}")
    source = with_sound(tmp_path / "plain.mkv", "sine=duration=2")
    target = tmp_path / "chapters.mkv"
    ffmpeg("-i", str(source), "-i", str(words), "-map_chapters", "1", "-c", "copy", str(target))
    planned = await PlanStage(tmp_path).plan(target)
    assert output_frames(planned) <= MOST


def container(root: Path, groups: str, **limits: str) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    (root / "proc/meminfo").write_text("MemTotal:       33554432 kB\n")
    for place, limit in limits.items():
        path = root / "sys/fs/cgroup" / place.replace("__", "/").replace("_max", ".max")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(limit)
    return root


GIB = 1 << 30


@pytest.mark.parametrize(
    ("groups", "limits", "most"),
    [
        ("0::/\n", {"memory_max": f"{2 * GIB}\n"}, 2 * GIB),
        ("0::/pod/worker\n", {"pod__worker__memory_max": "max\n", "pod__memory_max": str(3 * GIB)},
         3 * GIB),
        ("0::/pod\n", {"pod__memory_max": "max\n"}, 32 * GIB),
    ],
)  # fmt: skip
def test_the_memory_of_a_run_follows_the_container(
    tmp_path: Path, groups: str, limits: dict[str, str], most: int
) -> None:
    root = container(tmp_path, groups, **limits)
    assert memory_of_runs(root) == most - (384 << 20)
    assert memory_of_one_run(root) == min(8 * GIB, most - (384 << 20))


def test_the_memory_of_a_run_follows_the_first_version_of_control_groups(tmp_path: Path) -> None:
    root = container(tmp_path, "4:cpu:/x\n3:memory:/docker/abc\n0::/\n")
    place = root / "sys/fs/cgroup/memory"
    place.mkdir(parents=True)
    (place / "memory.limit_in_bytes").write_text(f"{4 * GIB}\n")
    assert memory_of_one_run(root) < 4 * GIB
    (place / "docker/abc").mkdir(parents=True)
    (place / "docker/abc/memory.limit_in_bytes").write_text(f"{2 * GIB}\n")
    assert memory_of_one_run(root) < 2 * GIB
    (place / "docker/abc/memory.limit_in_bytes").write_text(f"{GIB // 4}\n")
    assert memory_of_one_run(root) == GIB // 2


async def test_a_frame_that_is_held_takes_no_memory_each_time(tmp_path: Path) -> None:
    """ffmpeg makes all frames of a gap before an encoder takes the first."""
    source = with_gap(tmp_path / "gap.mp4", 60, "-s", "640x360")
    video = VideoTrack(
        codec="h264", width=640, height=360, frame_rate="25/1", longest_frame_ms=60_000
    )
    whole = SourceFacts(container="mov", duration_ms=62_400, size=1, video=video)
    run = ChunkRun(
        source=Input(str(source), remote=False),
        video=video,
        chunk=Chunk(index=0, first_segment=0, segments=7, first_frame=0, frames=700),
        line=timeline(Fraction(RATE)),
        renditions=ladder(whole),
        last=False,
        preset="superfast",
        threads=1,
    )
    # Without encoders' own memory, 700 frames would be 240 MB in the first rendition alone.
    limits = Limits(
        seconds=120,
        cpu_seconds=120,
        memory_bytes=2 << 30,
        shared_bytes=200 << 20,
        file_bytes=1 << 28,
    )
    await run_ffmpeg([find_ffmpeg(None), *encode_chunk(run, tmp_path)], tmp_path, limits)
    assert (tmp_path / "360p.mp4").stat().st_size
