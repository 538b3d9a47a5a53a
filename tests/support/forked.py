"""Services as processes of their own, forked from a process that has imported them.

The imports of a service take about three CPU seconds, and a run of all tests starts hundreds of
services. For a test the result is that of ``subprocess.Popen([sys.executable, "-m", module])``: a
process in a session of its own, with its own environment, output and exit status.
"""

import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import BinaryIO

from deploy.local.database import ROOT
from deploy.local.forking import Forked, ForkServer
from deploy.local.process import Process
from deploy.local.running import Running


class UsedCpu:
    """CPU seconds of the processes that have ended and been waited for, and of their children.

    The kernel counts them as the fork server's until that ends.
    """

    seconds = 0.0

    def add(self, seconds: float) -> None:
        """One more has ended."""
        self.seconds += seconds


used_cpu = UsedCpu()


def start_service(
    module: str,
    *arguments: str,
    env: Mapping[str, str],
    output: BinaryIO,
    errors: BinaryIO | None = None,
    folder: Path = ROOT,
) -> Forked:
    """Start ``python -m module arguments…`` with exactly this environment.

    Without ``errors`` these go where the output goes.
    """
    return _fork_server().start(
        module, *arguments, env=env, output=output, errors=errors, folder=folder
    )


def run_service(
    module: str, *arguments: str, env: Mapping[str, str], timeout: float = 60
) -> "subprocess.CompletedProcess[str]":
    """Run it to its end, as ``subprocess.run`` does. Raises subprocess.TimeoutExpired."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = start_service(module, *arguments, env=env, output=output, errors=errors)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        said = [file.seek(0) or file.read().decode() for file in (output, errors)]
    return subprocess.CompletedProcess((module, *arguments), code, *said)


async def launch_forked(process: Process, logs: Path) -> Running:
    """As ``deploy.local.running.launch``; services are forked, other programs are executed."""
    return await _fork_server().launch(process, logs)


def stop_fork_server() -> None:
    """End this session's server, and with it all processes that still run."""
    _fork_server().close()
    used_cpu.seconds = 0.0


@cache
def _fork_server() -> ForkServer:
    """The server of this session, which is started by the first request."""
    return ForkServer(program="tests.support.fork_server", used=used_cpu.add)
