"""A file system that loses power: ext4 on a loop device, shut down without writing its caches."""

import contextlib
import fcntl
import os
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Linux, fs/ext4/ext4.h: EXT4_IOC_SHUTDOWN, with EXT4_GOING_FLAGS_NOLOGFLUSH.
_SHUTDOWN = 0x8004587D
_NO_FLUSH = 2
_UNMOUNT_SECONDS = 30.0


class Disk:
    """A disk of its own, mounted at ``folder``."""

    def __init__(self, image: Path, folder: Path) -> None:
        self._image = image
        self.folder = folder

    def mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self.folder))

    def unmount(self) -> None:
        """End every process that still uses it, as a loss of power does, and take it off.

        A disk that is in use would only be hidden, and the next mount would be of the dead one.
        """
        deadline = time.monotonic() + _UNMOUNT_SECONDS
        while subprocess.run(
            ("umount", str(self.folder)), capture_output=True, check=False
        ).returncode:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.folder} is in use by {_users(self.folder)}")
            for pid in _users(self.folder):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def lose_power(self) -> None:
        """Forget everything that is not on the disk. Nothing can be written any more."""
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _SHUTDOWN, struct.pack("I", _NO_FLUSH))
        finally:
            os.close(handle)


def can_lose_power() -> bool:
    """Whether this machine lets us mount a disk of our own."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        return False
    return subprocess.run(("losetup", "--find"), capture_output=True, check=False).returncode == 0


@contextmanager
def disk(folder: Path, size_bytes: int = 2 << 30) -> Iterator[Disk]:
    """An empty disk below ``folder``, mounted."""
    image, mounted = folder / "disk.img", folder / "disk"
    with image.open("wb") as file:
        file.truncate(size_bytes)
    _run("mkfs.ext4", "-q", "-F", str(image))
    mounted.mkdir()
    own = Disk(image, mounted)
    own.mount()
    try:
        yield own
    finally:
        _run("umount", "--lazy", str(mounted))
        image.unlink()


def _users(folder: Path) -> list[int]:
    """Processes other than this one with a folder, program or file of theirs below ``folder``."""
    below = f"{folder}/"
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        links = [process / "cwd", process / "exe"]
        with contextlib.suppress(OSError):
            links += (process / "fd").iterdir()
        for link in links:
            with contextlib.suppress(OSError):
                if str(link.readlink()).startswith(below) and int(process.name) != os.getpid():
                    found.append(int(process.name))
                    break
    return found


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
