"""Builds the programs in Go, and runs them."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from tests.support.real_parts import ROOT

_SOURCES: Final = Path(__file__).parent
_BUILT: Final = ROOT / "dist" / "peers"
# Where Go's own installer puts it, which is not in every PATH.
_INSTALLED: Final = Path("/usr/local/go/bin/go")
_START_SECONDS: Final = 30


class Program:
    """A program that runs."""

    def __init__(self, process: psutil.Process, port: int) -> None:
        self.process = process
        self.port = port


def found_go() -> str | None:
    """Go's command; None where it is not installed."""
    return shutil.which("go") or (str(_INSTALLED) if _INSTALLED.exists() else None)


def built(name: str, go: str | None) -> Path | None:
    """The program ``name``; None where it cannot be built, which is said on standard error."""
    if go is None:
        sys.stderr.write(f"Go is not installed, so nothing is compared with the {name} in Go.\n")
        return None
    target = _BUILT / name
    found = subprocess.run(
        (go, "build", "-o", str(target), f"./{name}"),
        cwd=_SOURCES,
        check=False,
        capture_output=True,
        text=True,
    )
    if found.returncode:
        reason = found.stderr.strip().rpartition("\n")[2]
        sys.stderr.write(f"The {name} in Go is left out, as Go did not build it: {reason}\n")
        return None
    return target


@contextmanager
def running(program: Path, environment: Mapping[str, str]) -> Iterator[Program]:
    """The program, once it listens. Raises RuntimeError where it does not."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    with subprocess.Popen(
        (str(program),),
        env=os.environ | dict(environment) | {"BIND": f"127.0.0.1:{port}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            _wait(process, port)
            yield Program(psutil.Process(process.pid), port)
        finally:
            process.terminate()
            process.wait(30)


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    until = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{process.args} does not listen")
