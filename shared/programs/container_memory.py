"""How much memory runs of ffmpeg may use: what the container has, without the worker's own."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

_ROOT: Final = Path("/")
# What the worker itself needs, sample tables and cached indexes included.
_WORKER_BYTES: Final = 384 << 20
# Below the first, ordinary videos fail; more than the second helps no decoder.
_LEAST_BYTES: Final = 512 << 20
_MOST_BYTES: Final = 8 << 30


def memory_of_runs(root: Path = _ROOT) -> int:
    """The bytes of memory that all runs of a worker may use together."""
    return max(_LEAST_BYTES, container_memory(root) - _WORKER_BYTES)


def memory_of_one_run(root: Path = _ROOT) -> int:
    """The bytes of memory that one run may use."""
    return min(_MOST_BYTES, memory_of_runs(root))


def container_memory(root: Path = _ROOT) -> int:
    """The memory of this container: its control groups' lowest limit, else the machine's memory."""
    return min([_machine(root), *_limits(root)])


def _machine(root: Path) -> int:
    for line in (root / "proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) << 10
    return _MOST_BYTES


def _limits(root: Path) -> Iterator[int]:
    """The limits of this process's control groups and of those above, versions 1 and 2."""
    groups = root / "sys/fs/cgroup"
    for line in (root / "proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            places, name = (groups, groups / "unified"), "memory.max"
        elif "memory" in controllers.split(","):
            places, name = (groups / "memory",), "memory.limit_in_bytes"
        else:
            continue
        # Inside a container, the mount may begin at its own group: then only the root is there.
        inner = PurePosixPath(path.lstrip("/"))
        for place in places:
            for group in (inner, *inner.parents):
                with suppress(OSError, ValueError):
                    yield int((place / group / name).read_text())
