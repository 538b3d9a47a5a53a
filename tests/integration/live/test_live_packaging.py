"""Tags of real recordings through a real ffmpeg in its sandbox: parts, cuts, restarts."""

import asyncio
import os
import signal
from collections import defaultdict
from pathlib import Path

import pytest
import uvloop

from services.live.flv.sink import Stopped
from services.live.flv.tags import VIDEO, Tag, content
from services.live.packaging.child import Program
from services.live.packaging.feed import Feed
from services.live.packaging.fragments import Init, Part
from services.live.packaging.layout import Layout
from shared.programs.confinement import Limits
from shared.programs.finding import find_ffmpeg
from tests.integration.transcoder.clips import decoded
from tests.support.flv_files import flv
from tests.support.wait import eventually

LIMITS = Limits(seconds=0, cpu_seconds=3600, memory_bytes=1 << 30, file_bytes=1 << 20, nice=0)


class Kept:
    """An output that keeps everything."""

    def __init__(self) -> None:
        self.layouts: list[Layout] = []
        self.inits: dict[str, list[Init]] = defaultdict(list)
        self.parts: dict[str, list[tuple[int, Part, float]]] = defaultdict(list)
        self.ends = 0

    def begin(self, layout: Layout) -> None:
        self.layouts.append(layout)

    def init(self, track: str, init: Init) -> None:
        self.inits[track].append(init)

    def part(self, track: str, number: int, part: Part, at: float) -> None:
        self.parts[track].append((number, part, at))

    def end(self) -> None:
        self.ends += 1

    def seconds(self, track: str, number: int) -> float:
        """When a segment begins."""
        part = next(part for found, part, _ in self.parts[track] if found == number)
        return part.start / self.inits[track][0].timescale

    def numbers(self, track: str) -> list[int]:
        return sorted({number for number, _, _ in self.parts[track]})


def feed(tmp_path: Path, output: Kept, *heights: int, first: int = 0) -> Feed:
    folder = tmp_path / "folder"
    folder.mkdir(exist_ok=True)
    return Feed(Program(find_ffmpeg(None), folder, LIMITS), output, heights, first)


async def send(sink: Feed, tags: list[Tag]) -> None:
    for tag in tags:
        await sink.take(tag)


async def send_slowly(sink: Feed, tags: list[Tag]) -> None:
    """With time for programs to end."""
    for tag in tags:
        await sink.take(tag)
        await asyncio.sleep(0.03)


def frames(tags: list[Tag]) -> int:
    inside = [content(tag) for tag in tags if tag.kind == VIDEO]
    return sum(found.frames for found in inside if found is not None)


def shown(tmp_path: Path, output: Kept, track: str) -> int:
    """Frames that ffmpeg decodes of a track, without a complaint."""
    file = tmp_path / f"{track}.mp4"
    parts = b"".join(part.data for _, part, _ in output.parts[track])
    file.write_bytes(output.inits[track][0].data + parts)
    return decoded(file)


async def test_a_recording_becomes_segments_that_begin_together(tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", "-bf", "2", gop=25)
    output = Kept()
    sink = feed(tmp_path, output, 90, first=5)
    await send(sink, tags)
    await sink.close()
    assert output.layouts[0].tracks == ("top", "90", "a")
    assert output.layouts[0].rungs[0].copied
    assert output.ends == 1
    for track in ("top", "90", "a"):
        assert output.numbers(track) == [5, 6]
    assert output.seconds("top", 5) == output.seconds("90", 5)
    assert output.seconds("top", 6) == output.seconds("90", 6)
    assert output.seconds("top", 6) - output.seconds("top", 5) == pytest.approx(2, abs=0.001)
    # Sound is not cut within a part.
    assert 0 <= output.seconds("a", 6) - output.seconds("top", 6) + 0.03 < 0.4
    assert shown(tmp_path, output, "top") == shown(tmp_path, output, "90") == 100
    assert (output.inits["top"][0].width, output.inits["top"][0].height) == (320, 180)
    assert (output.inits["90"][0].width, output.inits["90"][0].height) == (160, 90)
    lengths = [part.duration / 90000 for _, part, _ in output.parts["top"]]
    assert max(lengths) < 0.36
    assert sink.next_segment == 7


async def test_key_pictures_that_are_far_apart_are_made_here(tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", seconds=5.5, gop=500, rate=10)
    output = Kept()
    sink = feed(tmp_path, output, 90)
    await send(sink, tags)
    await sink.close()
    first, second = output.layouts
    assert first.rungs[0].copied
    assert not second.rungs[0].copied
    again = [number for number in output.numbers("top") if number > 0]
    assert len(again) == 3
    assert output.numbers("90") == output.numbers("top")
    lengths = [output.seconds("90", n + 1) - output.seconds("90", n) for n in again[:-1]]
    assert lengths == [2.0, 2.0]


async def test_a_killed_ffmpeg_is_followed_by_another_with_the_last_group(tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25, rate=25)
    output = Kept()
    sink = feed(tmp_path, output)
    await send(sink, tags[: len(tags) // 2])
    await eventually(lambda: output.parts["top"])
    child = sink._child
    assert child is not None
    assert child._running is not None
    os.kill(child._running._process.pid, signal.SIGKILL)
    await eventually(lambda: child._running is None or not child._running.running)
    await send(sink, tags[len(tags) // 2 :])
    await sink.close()
    assert len(output.layouts) == 2
    last = output.inits["top"][-1]
    later = [entry for entry in output.parts["top"] if entry[0] > 1 or last is None]
    assert later[0][1].key
    # Every picture from the last key picture on is there.
    assert sum(part.duration for _, part, _ in later) / 90000 >= 2.0
    assert frames(tags) == 100


async def test_pictures_that_no_ffmpeg_bears_end_the_stream(tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", gop=5)
    output = Kept()
    sink = feed(tmp_path, output)
    sink._program = Program("/bin/false", tmp_path / "folder", LIMITS)
    with pytest.raises(Stopped, match="cannot be processed"):
        await send_slowly(sink, tags)
    await sink.close()


async def test_another_size_begins_another_ffmpeg(tmp_path: Path) -> None:
    one = flv(tmp_path / "one.flv", seconds=2, gop=25)
    other = flv(tmp_path / "other.flv", seconds=2, gop=25, size="640x360")
    output = Kept()
    sink = feed(tmp_path, output)
    await send(sink, one)
    await send(sink, [Tag(tag.kind, tag.milliseconds + 2000, tag.body) for tag in other])
    await sink.close()
    assert [(init.width, init.height) for init in output.inits["top"]] == [(320, 180), (640, 360)]
    assert output.numbers("top") == [0, 1]


async def test_another_codec_begins_another_ffmpeg(tmp_path: Path) -> None:
    one = flv(tmp_path / "one.flv", seconds=2, gop=25)
    other = flv(tmp_path / "other.flv", "-c:v", "libx265", seconds=2, gop=25)
    output = Kept()
    sink = feed(tmp_path, output)
    await send(sink, one)
    await send(sink, [Tag(tag.kind, tag.milliseconds + 2000, tag.body) for tag in other])
    await sink.close()
    # What not every player shows is encoded: a session's pictures are H.264 from end to end.
    assert [layout.rungs[0].copied for layout in output.layouts] == [True, False]
    assert {init.codecs[:4] for init in output.inits["top"]} == {"avc1"}
    assert output.numbers("top") == [0, 1]


async def test_where_encoding_is_too_slow_a_rendition_is_given_up(tmp_path: Path) -> None:
    """ffmpeg gets no time for some seconds, as where a machine has no CPU time left."""
    tags = flv(tmp_path / "clip.flv", "-b:v", "3M", seconds=10, gop=25, size="640x360")
    output = Kept()
    sink = feed(tmp_path, output, 90, 180)
    loop = asyncio.get_running_loop()
    begun, stopped = loop.time(), False
    for tag in tags:
        await asyncio.sleep(max(0.0, begun + tag.milliseconds / 1000 - loop.time()))
        if not stopped and tag.milliseconds > 1500:
            stopped = True
            assert sink._child is not None
            assert sink._child._running is not None
            pid = sink._child._running._process.pid
            os.kill(pid, signal.SIGSTOP)
            loop.call_later(5, os.kill, pid, signal.SIGCONT)
        await sink.take(tag)
    await sink.close()
    first, second = output.layouts
    assert first.tracks == ("top", "180", "90", "a")
    assert second.tracks == ("top", "90", "a")
    assert sink.dropped_rungs == 1


async def test_a_picture_without_sound_does_not_wait_for_it(tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", sound=False, gop=25)
    output = Kept()
    sink = feed(tmp_path, output)
    await send(sink, tags)
    await sink.close()
    assert output.layouts[0].tracks == ("top",)
    assert shown(tmp_path, output, "top") == 100


async def test_pictures_without_a_key_end_the_stream(tmp_path: Path) -> None:
    tags = [tag for tag in flv(tmp_path / "clip.flv", gop=500) if tag.kind == VIDEO]
    sink = feed(tmp_path, Kept())
    later = [Tag(VIDEO, at, tags[5].body) for at in range(0, 4000, 40)]
    await send(sink, later)
    sink._first_at = -30_000
    with pytest.raises(Stopped, match="key-frame interval"):
        await sink.take(Tag(VIDEO, 4040, tags[5].body))
    await sink.close()


def test_ffmpeg_runs_under_the_event_loop_of_processes(tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25)
    output = Kept()

    async def scenario() -> None:
        sink = feed(tmp_path, output, 90)
        await send(sink, tags)
        await sink.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
    assert shown(tmp_path, output, "top") == shown(tmp_path, output, "90") == 100
