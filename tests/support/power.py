"""A file system that loses power: ext4 on a loop device, shut down without writing its caches."""

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Linux, fs/ext4/ext4.h: EXT4_IOC_SHUTDOWN, with EXT4_GOING_FLAGS_NOLOGFLUSH.
_SHUTDOWN = 0x8004587D
_NO_FLUSH = 2


class Disk:
    """A disk of its own, mounted at ``folder``."""

    def __init__(self, image: Path, folder: Path) -> None:
        self._image = image
        self.folder = folder

    def mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self.folder))

    def unmount(self) -> None:
        _run("umount", "--lazy", str(self.folder))

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
        own.unmount()
        image.unlink()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
