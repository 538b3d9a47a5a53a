"""Runs a program that is written to and read from for as long as it lives, in the same sandbox."""

import asyncio
import fcntl
import os
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from shared.programs.confinement import Limits, confined
from shared.programs.process import STDERR_LINES, end_program, environment, keep_tail
from shared.programs.run_memory import MemoryUsedUp, watch_memory

# A pipe holds 64 KiB, less than a key picture: the program would wait for each reader.
_PIPE_BYTES: Final = 1 << 20
_READ_BYTES: Final = 1 << 18
# A program that takes nothing for so long is stuck: one that is merely slow takes some of it.
_STUCK_SECONDS: Final = 20.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class ProgramEnded(Exception):
    """The program has ended, and takes nothing more; the text is the tail of its stderr."""


class PipedProgram:
    """A running program with its standard input and several outputs.

    ``limits.seconds`` does not count: it ends with its input, or with ``stop``.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        readers: list[asyncio.StreamReader],
        transports: list[asyncio.ReadTransport],
    ) -> None:
        self._process = process
        self.outputs: Final = readers
        self._transports = transports
        self._tail: deque[str] = deque(maxlen=STDERR_LINES)
        self._memory: asyncio.Task[None] | None = None
        self._stderr: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        arguments: Callable[[Sequence[int]], Sequence[str]],
        outputs: int,
        folder: Path,
        limits: Limits,
    ) -> "PipedProgram":
        """Start it. ``arguments``, program first, are made of the numbers of its output pipes."""
        pipes = [os.pipe() for _ in range(outputs)]
        readers: list[asyncio.StreamReader] = []
        transports: list[asyncio.ReadTransport] = []
        loop = asyncio.get_running_loop()
        unread = [read for read, _ in pipes]
        try:
            process = await asyncio.create_subprocess_exec(
                *confined(limits, arguments([write for _, write in pipes]), folder),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                cwd=folder,
                env=environment(folder),
                start_new_session=True,
                pass_fds=[write for _, write in pipes],
            )
            while unread:
                reader = asyncio.StreamReader(limit=_READ_BYTES)
                read = unread.pop(0)
                fcntl.fcntl(read, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
                # The transport closes the pipe at its end.
                transport, _ = await loop.connect_read_pipe(
                    lambda reader=reader: asyncio.StreamReaderProtocol(reader),
                    os.fdopen(read, "rb", buffering=0),
                )
                readers.append(reader)
                transports.append(transport)
        finally:
            for _, write in pipes:
                os.close(write)
            for read in unread:
                os.close(read)
        program = cls(process, readers, transports)
        program._watch(limits)
        return program

    def _watch(self, limits: Limits) -> None:
        loop = asyncio.get_running_loop()
        self._memory = loop.create_task(self._watch_memory(limits.shared_bytes))
        if self._process.stderr is not None:
            self._stderr = loop.create_task(keep_tail(self._process.stderr, self._tail))

    async def _watch_memory(self, shared_bytes: int | None) -> None:
        try:
            await watch_memory(self._process.pid, shared_bytes)
        except MemoryUsedUp as error:
            self._tail.append(str(error))
            await end_program(self._process)

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    @property
    def cpu_seconds(self) -> float:
        """Processor time that it has used; 0.0 where the system does not say."""
        try:
            stat = Path(f"/proc/{self._process.pid}/stat").read_text()
        except OSError:
            return 0.0
        # proc(5): utime, stime, cutime and cstime, the 14th to the 17th field. The second one is
        # the program's name in brackets, which may have any character.
        fields = stat.rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15]) / _TICKS

    @property
    def said(self) -> str:
        """The tail of its standard error, or its exit status."""
        return "\n".join(self._tail) or f"exit status {self._process.returncode}"

    async def write(self, data: bytes) -> None:
        """Write to its standard input, and wait while it is slow.

        A program that is stuck is ended. Raises ProgramEnded.
        """
        stdin = self._process.stdin
        if stdin is None or not self.running:
            raise ProgramEnded(self.said)
        try:
            stdin.write(data)
            await self._drained(stdin)
        except (BrokenPipeError, ConnectionError):
            raise ProgramEnded(self.said) from None

    async def _drained(self, stdin: asyncio.StreamWriter) -> None:
        held = stdin.transport.get_write_buffer_size()
        while True:
            try:
                async with asyncio.timeout(_STUCK_SECONDS):
                    await stdin.drain()
                return
            except TimeoutError:
                before, held = held, stdin.transport.get_write_buffer_size()
                if held < before:
                    continue
            self._tail.append(f"it took nothing for {_STUCK_SECONDS:.0f} s")
            await end_program(self._process)
            raise ProgramEnded(self.said)

    def finish(self) -> None:
        """End its input: it writes what it holds, and ends."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def stop(self, seconds: float = 0.0) -> int:
        """Wait so many seconds for its end, then end it; its exit status."""
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            await end_program(self._process)
        if self._memory is not None:
            self._memory.cancel()
        if self._stderr is not None:
            await asyncio.gather(self._stderr, return_exceptions=True)
        return self._process.returncode or 0

    def close(self) -> None:
        """Close the outputs, once they are read: with uvloop, their end alone does not."""
        for transport in self._transports:
            transport.close()
