"""A program that is alive and takes nothing does not hold up a live for ever."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from shared.programs import piped
from shared.programs.confinement import Limits
from shared.programs.finding import find_ffmpeg
from shared.programs.piped import PipedProgram, ProgramEnded

LIMITS = Limits(seconds=0, cpu_seconds=60, memory_bytes=1 << 28, file_bytes=1 << 20, nice=0)


async def test_a_frozen_program_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(piped, "_STUCK_SECONDS", 0.5)
    program = await PipedProgram.start(lambda _: ["/bin/cat"], 0, tmp_path, LIMITS)
    os.kill(program._process.pid, signal.SIGSTOP)

    # More than the pipe and the buffers hold.
    async with asyncio.timeout(30):
        with pytest.raises(ProgramEnded, match="took nothing"):
            await program.write(bytes(4 << 20))

    assert not program.running
    await program.stop()


async def test_a_slow_program_is_not_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes some of what waits in each span."""
    monkeypatch.setattr(piped, "_STUCK_SECONDS", 2.0)
    # It plays five seconds of sound as fast as they are heard.
    slow = [find_ffmpeg(None), "-v", "error", "-re", "-f", "s16le", "-ar", "48000", "-ac", "2"]
    slow += ["-i", "pipe:0", "-f", "null", "-"]
    program = await PipedProgram.start(lambda _: slow, 0, tmp_path, LIMITS)

    async with asyncio.timeout(60):
        await program.write(bytes(1 << 20))

    assert program.running
    await program.stop()
