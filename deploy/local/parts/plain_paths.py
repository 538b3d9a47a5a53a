"""Paths without spaces and the like, for programs whose scripts do not quote them."""

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./+-]+")
_NAME: Final = "plain"


def plain(home: Path, folders: Mapping[str, Path]) -> tuple[Path, ...]:
    """``folders``, or links to them, by their names, in a private temporary folder.

    ``home`` keeps a link to that folder, so that each start uses the same one. Where it was
    deleted, or belongs to another user, a new one is made.
    """
    if all(_PLAIN.fullmatch(str(folder)) for folder in folders.values()):
        return tuple(folders.values())
    known = home / _NAME
    if not (known.is_symlink() and known.is_dir() and known.stat().st_uid == os.geteuid()):
        known.unlink(missing_ok=True)
        known.symlink_to(tempfile.mkdtemp(prefix="cinelog-"))
    place = known.readlink()
    for name, folder in folders.items():
        link = place / name
        link.unlink(missing_ok=True)
        link.symlink_to(folder)
    return tuple(place / name for name in folders)
