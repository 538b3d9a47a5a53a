"""Debian's OBS, GStreamer and ffmpeg, unpacked into a folder of their own and installed nowhere.

They look for their plugins and data below ``/usr``. So each runs in a mount namespace of its own,
in which ``/usr`` has them too.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.local.debian import unpack
from tests.support.real_parts import packages

_FOLDER: Final = "publishers"
_PACKAGES: Final = (
    *("xvfb", "libgl1-mesa-dri", "ffmpeg", "gstreamer1.0-tools", "gstreamer1.0-plugins-base"),
    *("gstreamer1.0-plugins-good", "gstreamer1.0-plugins-bad", "gstreamer1.0-plugins-ugly"),
)
_ENTER: Final = 'mount -t overlay overlay -o "lowerdir=$0:/usr" /usr && exec "$@"'


class DebianPrograms:
    """Raises PackagesUnavailable where they cannot be had."""

    def __init__(self) -> None:
        self._usr = unpack("obs-studio", packages() / _FOLDER, beside=_PACKAGES) / "usr"

    def command(self, *program: str) -> list[str]:
        """What to execute for a program; its process is the program's own."""
        as_root = ("--map-root-user",) if os.geteuid() != 0 else ()
        return ["unshare", "--mount", *as_root, "sh", "-c", _ENTER, str(self._usr), *program]

    def environment(self, **more: str) -> dict[str, str]:
        """With the folders of libraries that only an installed package would make known."""
        roots = sorted((self._usr / "lib").glob("*-linux-gnu"))
        folders = [folder for root in roots for folder in _with_libraries(root)]
        inside = ["/usr" / folder.relative_to(self._usr) for folder in folders]
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, inside)), **more}


def _with_libraries(root: Path) -> Sequence[Path]:
    known = ("pulseaudio", "blas", "lapack")
    return [root, *(root / name for name in known if (root / name).is_dir())]
