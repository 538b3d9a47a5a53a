"""What ffmpeg's runs are confined to, and which layers of that this machine has.

Decoders are given hostile files, so a run is treated as if the file's author controlled it. The
script ``sandbox`` applies the layers in the new process.
"""

import ctypes
import functools
import marshal
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from shared.programs.syscall_filter import build_filter

_SANDBOX: Final = Path(__file__).with_name("sandbox.py")

# linux/prctl.h
_SET_DUMPABLE: Final = 4
# linux/landlock.h
_CREATE_RULESET: Final = 444
_QUERY_VERSION: Final = 1

# What programs and the C library read. Programs may be linked dynamically.
_LOADERS: Final = (
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
)
_READABLE: Final = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/dev/null",
    "/dev/urandom",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
)
# The user that runs have where the worker may change it; no system gives out this number.
_OWN_UID: Final = 64_120
# CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_SETGID, CAP_SETUID.
_NEEDED_CAPABILITIES: Final = 1 << 0 | 1 << 1 | 1 << 6 | 1 << 7
# Address space that is mapped but not memory: code, guards between stacks, reserves of malloc.
_ADDRESS_SPARE: Final = 4 << 30


class Limits(msgspec.Struct, frozen=True):
    """Limits of one run: seconds, bytes, and the only local TCP port that it may connect to.

    ``memory_bytes``: of this run; ``shared_bytes``: of all runs of the worker together.
    ``file_bytes``: of each file that it writes. ``frames``: of its first output.
    """

    seconds: float
    cpu_seconds: int
    memory_bytes: int
    file_bytes: int
    shared_bytes: int | None = None
    port: int | None = None
    frames: int | None = None
    nice: int = 5


def protect_memory() -> None:
    """Keep other processes of the same user from this one's memory, environment and handles."""
    ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def layers() -> dict[str, bool]:
    """The layers of the sandbox, and whether this machine has each."""
    version = _landlock_version()
    return {
        "files": version >= 1,
        "network": version >= 4,
        "signals": version >= 6,
        "system_calls": bool(_filter(network=False)),
        "user": _own_uid() is not None,
    }


def confined(
    limits: Limits, arguments: Sequence[str], folder: Path, *, readable: Sequence[str] = ()
) -> list[str]:
    """The command that runs ``arguments`` (program first) confined to ``folder``.

    Paths in the folder become relative to it: the program may not see the folders above.
    """
    program = arguments[0]
    script = _is_script(program)
    specification = {
        "cpu_seconds": limits.cpu_seconds,
        "memory_bytes": limits.memory_bytes,
        "address_bytes": limits.memory_bytes + _ADDRESS_SPARE,
        "file_bytes": limits.file_bytes,
        "nice": limits.nice,
        "parent": os.getpid(),
        "folder": str(folder),
        "uid": None if script else _own_uid(),
        "landlock": _landlock_version(),
        "execute": [program, *_LOADERS],
        "read": [*_READABLE, *readable],
        # Which files a script runs and reads is not known.
        "open": ["/"] if script else [],
        "port": limits.port,
        "filter": _filter(network=limits.port is not None),
    }
    text = marshal.dumps(specification).hex()
    local = [argument.removeprefix(f"{folder}/") for argument in arguments[1:]]
    return [sys.executable, "-I", "-S", str(_SANDBOX), text, program, *local]


@functools.cache
def _landlock_version() -> int:
    """The version of Landlock that the kernel has; 0 for none."""
    found = ctypes.CDLL(None).syscall(_CREATE_RULESET, None, 0, _QUERY_VERSION)
    return max(0, found)


@functools.cache
def _own_uid() -> int | None:
    """The user to change to; None where the worker may not."""
    if os.geteuid() != 0:
        return None
    status = Path("/proc/self/status").read_text()
    line = next((line for line in status.splitlines() if line.startswith("CapEff:")), "0:0")
    held = int(line.partition(":")[2], 16)
    return _OWN_UID if held & _NEEDED_CAPABILITIES == _NEEDED_CAPABILITIES else None


@functools.cache
def _filter(*, network: bool) -> bytes:
    return build_filter(platform.machine(), network=network)


@functools.cache
def _is_script(program: str) -> bool:
    with Path(program).open("rb") as file:
        return file.read(2) == b"#!"
