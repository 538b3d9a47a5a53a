"""A probe inside the sandbox of decoders tries to get out of it (OWASP ASVS 5, V15: isolation).

The worker of these tests is this process. Where a kernel lacks a layer, what only that layer stops
is not asked.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from shared.programs import confinement
from shared.programs.confinement import Limits, confined, layers, protect_memory
from shared.programs.finding import find_ffmpeg
from shared.programs.process import RunFailed, TooMuchOutput, run_ffmpeg
from tests.integration.transcoder.clips import make

LIMITS = Limits(seconds=30, cpu_seconds=30, memory_bytes=1 << 30, file_bytes=1 << 20, nice=0)
PROBE = Path(__file__).with_name("probe_in_sandbox.c")
# Without the layer, these are not stopped.
ONLY_BY = {
    "files": {
        *("worker's fd", "worker's maps", "worker's root", "worker's cwd", "worker's cmdline"),
        *("own environ", "file outside", "writing outside", "passwd", "resolv.conf"),
        *("root folder", "tmp", "shared memory", "shell"),
    },
    "network": {"other port"},
}


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The probe as a program: Python could not start where only a decoder's files can be read."""
    assert shutil.which("cc"), "a C compiler is missing: apt-get install gcc libc6-dev"
    target = tmp_path_factory.mktemp("probe") / "probe"
    subprocess.run(["cc", "-O1", "-w", "-o", str(target), str(PROBE)], check=True)
    return target


@contextmanager
def listening() -> Iterator[int]:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def tried(probe: Path, folder: Path, limits: Limits, *, other: int) -> dict[str, str]:
    """What the probe says of each attempt."""
    outside = folder.parent / "outside"
    outside.write_text("secret")
    outside.chmod(0o666)
    (folder / "own").write_text("")
    protect_memory()
    arguments = [str(probe), str(os.getpid()), str(limits.port or 0), str(other), str(outside)]
    command = confined(limits, arguments, folder)
    ran = subprocess.run(command, check=False, cwd=folder, env={}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return dict(line.split(": ") for line in ran.stdout.splitlines())


def got_out(said: dict[str, str]) -> set[str]:
    there = layers()
    missing = set[str]().union(*(ONLY_BY.get(name, set()) for name in there if not there[name]))
    return {name for name, outcome in said.items() if outcome in ("DONE", "REFUSED")} - missing


@pytest.mark.parametrize("network", [False, True])
def test_a_probe_inside_the_sandbox_gets_nothing(
    probe: Path, tmp_path: Path, *, network: bool
) -> None:
    folder = tmp_path / "task"
    folder.mkdir()
    with listening() as own, listening() as other:
        limits = LIMITS if not network else confinement_with_port(own)
        said = tried(probe, folder, limits, other=other)
    assert got_out(said) == set()
    assert len(said) > 55
    assert said["own folder"] == "written"
    if network:
        assert said["own port"] == "reached"


def confinement_with_port(port: int) -> Limits:
    return msgspec.structs.replace(LIMITS, port=port)


def test_the_probe_finds_a_sandbox_without_landlock(
    probe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker stays hidden without it, and nothing fails; but files can be read."""
    monkeypatch.setattr(confinement, "_landlock_version", lambda: 0)
    folder = tmp_path / "task"
    folder.mkdir()
    with listening() as other:
        said = tried(probe, folder, LIMITS, other=other)
    assert said["passwd"] == "DONE"
    assert got_out(said) == set()
    assert {said[f"worker's {kind}"] for kind in ("environ", "mem")} == {"refused"}


def test_without_another_user_the_probe_gets_nothing_either(
    probe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the chart's containers a worker may not change its user."""
    monkeypatch.setattr(confinement, "_own_uid", lambda: None)
    folder = tmp_path / "task"
    folder.mkdir()
    with listening() as own, listening() as other:
        said = tried(probe, folder, confinement_with_port(own), other=other)
    assert got_out(said) == set()
    assert said["own port"] == "reached"


def test_without_another_user_and_landlock_the_worker_is_hidden(
    probe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confinement, "_own_uid", lambda: None)
    monkeypatch.setattr(confinement, "_landlock_version", lambda: 0)
    folder = tmp_path / "task"
    folder.mkdir()
    with listening() as other:
        said = tried(probe, folder, LIMITS, other=other)
    assert got_out(said) - ONLY_BY["files"] == set()
    assert {said[f"worker's {kind}"] for kind in ("environ", "mem")} == {"refused"}


async def test_output_in_bytes_is_bounded(tmp_path: Path) -> None:
    target = tmp_path / "noise.nut"
    noise = ("-f", "lavfi", "-i", "nullsrc=size=640x360,geq=random(1)*255:128:128", "-t", "60")
    with pytest.raises(TooMuchOutput):
        await run_ffmpeg(
            [find_ffmpeg(None), "-y", *noise, "-c:v", "rawvideo", str(target)], tmp_path, LIMITS
        )
    assert target.stat().st_size <= LIMITS.file_bytes


async def test_output_in_frames_is_bounded(tmp_path: Path) -> None:
    limits = Limits(
        seconds=60, cpu_seconds=60, memory_bytes=1 << 30, file_bytes=1 << 30, frames=100
    )
    endless = ("-f", "lavfi", "-i", "color=size=16x16:rate=25", "-f", "null", "-")
    progress = ("-progress", "pipe:1", "-stats_period", "0.1")
    with pytest.raises(TooMuchOutput):
        async with asyncio.timeout(30):
            await run_ffmpeg([find_ffmpeg(None), *progress, *endless], tmp_path, limits)


async def test_memory_is_bounded(tmp_path: Path) -> None:
    limits = Limits(seconds=60, cpu_seconds=60, memory_bytes=128 << 20, file_bytes=1 << 30)
    huge = ("-f", "lavfi", "-i", "color=size=8000x8000:rate=25", "-frames:v", "20", "-f", "null")
    with pytest.raises(RunFailed):
        await run_ffmpeg([find_ffmpeg(None), *huge, "-"], tmp_path, limits)


async def test_runs_together_are_bounded(tmp_path: Path) -> None:
    """Each may use what the container has; together they may not."""
    limits = Limits(
        seconds=120,
        cpu_seconds=120,
        memory_bytes=4 << 30,
        shared_bytes=700 << 20,
        file_bytes=1 << 30,
    )
    # Holds some 400 MB of frames, and goes on.
    frames = "testsrc2=size=2000x2000:rate=25,trim=end_frame=70,reverse,loop=-1:70"
    held = ("-re", "-f", "lavfi", "-i", frames)
    run = [find_ffmpeg(None), *held, "-f", "null", "-"]
    async with asyncio.timeout(60):
        one, other = (asyncio.create_task(run_ffmpeg(run, tmp_path, limits)) for _ in range(2))
        done, going = await asyncio.wait({one, other}, return_when=asyncio.FIRST_COMPLETED)
    (ended,) = done
    failure = ended.exception()
    assert isinstance(failure, RunFailed)
    assert "memory" in failure.detail
    (survivor,) = going
    assert not survivor.done()
    survivor.cancel()
    await asyncio.gather(survivor, return_exceptions=True)


async def test_an_ordinary_run_needs_nothing_of_it(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mp4")
    target = tmp_path / "b.mp4"
    arguments = [find_ffmpeg(None), "-nostdin", "-v", "error", "-i", str(source), str(target)]
    await run_ffmpeg(arguments, tmp_path, LIMITS)
    assert target.stat().st_size
