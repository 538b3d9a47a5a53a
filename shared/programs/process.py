"""Runs ffmpeg and ffprobe in a sandbox, and ends them within two seconds of a cancellation."""

import asyncio
import os
import re
import signal
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from opentelemetry import baggage, context
from opentelemetry.trace import Span

from shared.programs.confinement import Limits, confined
from shared.programs.run_memory import MemoryUsedUp, watch_memory
from shared.telemetry import child_span

_GRACE_SECONDS: Final = 1.0
# The tail of standard error that is kept, in lines and in bytes per line.
STDERR_LINES: Final = 20
_LINE_BYTES: Final = 1000
# The message for EFBIG: a file reached its limit.
_FILE_TOO_LARGE: Final = "File too large"
# What a watched run says of frames of another size or sound of another kind: its filters, which
# keep the time, begin anew.
_CHANGED: Final = b"Reconfiguring filter graph because"
# What it says of AAC with more channels than an MP4 file states.
_OTHER_CHANNELS: Final = b"[error] channel element "
# Lines of a watched run that are no errors.
_CHATTER: Final = re.compile(rb"(?:^|\] )\[(?:info|warning)\] ")


class FfmpegProgress(msgspec.Struct, frozen=True):
    """ffmpeg's progress report: frames and seconds of the first output; speed × real time."""

    frames: int
    seconds: float
    speed: float | None


class RunFailed(Exception):
    """The program failed. ``detail``: the tail of its stderr. ``killed``: a signal ended it."""

    def __init__(self, detail: str, *, killed: bool, timed_out: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.killed = killed
        self.timed_out = timed_out


class OutputTooLarge(RunFailed):
    """The program's standard output exceeds its limit."""

    def __init__(self) -> None:
        super().__init__("the answer is too long", killed=True)


class SourceChanges(RunFailed):
    """The picture's size or the kind of sound changes on the way. Only watched runs notice."""


class TooMuchOutput(RunFailed):
    """The program makes more frames or bytes than its task can need."""


async def run_ffmpeg(
    arguments: Sequence[str],
    folder: Path,
    limits: Limits,
    on_progress: Callable[[FfmpegProgress], None] | None = None,
) -> None:
    """Run ffmpeg to its end; ``arguments`` starts with the program.

    Cancelling the caller ends the program. Raises RunFailed, TooMuchOutput.
    """

    last: FfmpegProgress | None = None

    async def progress(stream: asyncio.StreamReader) -> None:
        nonlocal last
        block: dict[str, str] = {}
        async for raw in stream:
            name, _, value = raw.decode(errors="replace").strip().partition("=")
            block[name] = value
            if name == "progress":
                last = parse_progress(block)
                if limits.frames is not None and last.frames > limits.frames:
                    raise TooMuchOutput(f"{last.frames} frames", killed=True)
                if on_progress is not None:
                    on_progress(last)
                block = {}

    with _run_span("ffmpeg") as span:
        try:
            await _run(arguments, folder, limits, progress)
        finally:
            if last is not None:
                span.set_attribute("ffmpeg.frames", last.frames)
                if last.speed:
                    span.set_attribute("ffmpeg.speed", last.speed)


async def run_ffprobe_lines(
    arguments: Sequence[str], folder: Path, limits: Limits, on_line: Callable[[str], None]
) -> None:
    """Run ffprobe to its end and call ``on_line`` with each line it prints. Raises RunFailed."""

    async def lines(stream: asyncio.StreamReader) -> None:
        async for raw in stream:
            on_line(raw.decode(errors="replace").strip())

    with _run_span("ffprobe"):
        await _run(arguments, folder, limits, lines)


async def run_ffprobe(
    arguments: Sequence[str], folder: Path, limits: Limits, *, max_bytes: int = 1 << 20
) -> bytes:
    """Run ffprobe to its end and return its output. Raises RunFailed, OutputTooLarge."""
    answer = bytearray()

    async def collect(stream: asyncio.StreamReader) -> None:
        while part := await stream.read(65536):
            answer.extend(part)
            if len(answer) > max_bytes:
                raise OutputTooLarge

    with _run_span("ffprobe"):
        await _run(arguments, folder, limits, collect)
    return bytes(answer)


@contextmanager
def run_attributes(attributes: Mapping[str, str]) -> Generator[None]:
    """Add ``attributes`` to the spans of runs while entered."""
    here = context.get_current()
    for name, value in attributes.items():
        here = baggage.set_baggage(name, value, here)
    token = context.attach(here)
    try:
        yield
    finally:
        context.detach(token)


def _run_span(program: str) -> AbstractContextManager[Span]:
    return child_span(program, {name: str(value) for name, value in baggage.get_all().items()})


def parse_progress(block: dict[str, str]) -> FfmpegProgress:
    """Parse one block of ``-progress``; a missing or ``N/A`` value counts as 0 or None."""
    speed = _number(block.get("speed", "").removesuffix("x"))
    return FfmpegProgress(
        frames=int(_number(block.get("frame", "")) or 0),
        seconds=max(0.0, (_number(block.get("out_time_us", "")) or 0.0) / 1_000_000),
        speed=speed,
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def environment(folder: Path) -> dict[str, str]:
    """Not this process's environment, which holds the keys of the storage.

    SVT_LOG keeps SVT-AV1 from filling the tail of stderr with information about itself.
    """
    return {"PATH": "", "HOME": str(folder), "LC_ALL": "C", "SVT_LOG": "1"}


async def _run(
    arguments: Sequence[str],
    folder: Path,
    limits: Limits,
    read: Callable[[asyncio.StreamReader], Coroutine[Any, Any, None]],
) -> None:
    process = await asyncio.create_subprocess_exec(
        *confined(limits, arguments, folder),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env=environment(folder),
        start_new_session=True,
    )
    tail: deque[str] = deque(maxlen=STDERR_LINES)
    if process.stdout is None or process.stderr is None:
        raise RuntimeError("the program was started without pipes")
    try:
        async with asyncio.timeout(limits.seconds):
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(watch_memory(process.pid, limits.shared_bytes))
                reading = group.create_task(read(process.stdout))
                group.create_task(keep_tail(process.stderr, tail))
                await reading
                code = await process.wait()
                watching.cancel()
    except TimeoutError:
        raise RunFailed(
            "\n".join([*tail, f"stopped after {limits.seconds:.0f} s"]),
            killed=True,
            timed_out=True,
        ) from None
    except ExceptionGroup as group_error:
        first = group_error.exceptions[0]
        if isinstance(first, MemoryUsedUp):
            raise RunFailed(str(first), killed=True) from None
        raise first from None
    finally:
        await end_program(process)
    if code != 0:
        detail = "\n".join(tail) or f"exit status {code}"
        if _FILE_TOO_LARGE in detail:
            raise TooMuchOutput(detail, killed=False)
        raise RunFailed(detail, killed=code < 0)


async def keep_tail(stream: asyncio.StreamReader, tail: "deque[str]") -> None:
    """Keep the last lines that are errors. Raises SourceChanges."""
    pending = b""
    while part := await stream.read(8192):
        *lines, pending = (pending + part).split(b"\n")
        for line in lines:
            if _OTHER_CHANNELS in line:
                raise SourceChanges(_printable(line), killed=True)
            if _CHATTER.search(line):
                if _CHANGED in line:
                    raise SourceChanges(_printable(line), killed=True)
            elif line.strip():
                tail.append(_printable(line))
        pending = pending[-_LINE_BYTES:]
    if pending.strip():
        tail.append(_printable(pending))


def _printable(line: bytes) -> str:
    text = line[:_LINE_BYTES].decode(errors="replace")
    return "".join(character if character.isprintable() else " " for character in text)


async def end_program(process: asyncio.subprocess.Process) -> None:
    """Send SIGTERM, then SIGKILL, to the program's whole session, and wait until it has ended."""
    if process.returncode is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            async with asyncio.timeout(_GRACE_SECONDS):
                await process.wait()
        except TimeoutError:
            continue
        return
    await process.wait()
