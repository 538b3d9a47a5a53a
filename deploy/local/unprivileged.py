"""Where a server that refuses to run as root keeps its files, and as whom it runs.

Nobody's permissions are loosened: where the state folder cannot be reached by another user (a
clone under root's home), the server's files lie in a folder of their own elsewhere and a link in
the state folder leads there.
"""

import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

USER = "nobody"
_ELSEWHERE = Path("/var/lib")


def user_for_servers() -> str | None:
    """None when we are an ordinary user ourselves."""
    return USER if os.geteuid() == 0 else None


def group_of(user: str | None) -> int | None:
    """The user's own group; None for None."""
    return None if user is None else pwd.getpwnam(user).pw_gid


def groups_of(user: str | None) -> list[int] | None:
    """No further groups; None, which leaves them as they are, for None."""
    return None if user is None else []


def own_folder(wanted: Path) -> Path:
    """A private folder that belongs to the server's user: ``wanted`` itself wherever possible."""
    user = user_for_servers()
    if user is None or wanted.is_dir() or others_can_reach(wanted.parent):
        if not wanted.exists():
            wanted.mkdir(parents=True, mode=0o700)
            _give_to(wanted, user)
        return wanted.resolve()
    wanted.unlink(missing_ok=True)  # a link whose target is gone
    elsewhere = Path(tempfile.mkdtemp(prefix="cinelog-", dir=_ELSEWHERE))
    _give_to(elsewhere, user)
    wanted.symlink_to(elsewhere)
    return elsewhere


def forget(wanted: Path) -> None:
    """Remove a folder made by ``own_folder``, wherever it lies."""
    if wanted.is_symlink():
        shutil.rmtree(wanted.resolve(), ignore_errors=True)
        wanted.unlink()
    elif wanted.exists():
        shutil.rmtree(wanted)


def reachable(trees: Sequence[Path], copy: Path) -> Path:
    """A folder with ``trees`` in it that the server's user can read.

    That is where they lie, or else ``copy``, into which they are copied once.
    """
    if user_for_servers() is None or all(others_can_reach(tree) for tree in trees):
        return trees[0].parent
    if not copy.exists():
        partial = copy.with_name(copy.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        for tree in trees:
            shutil.copytree(tree, partial / tree.name, symlinks=True)
        partial.rename(copy)
    return copy


def others_can_reach(folder: Path) -> bool:
    """Whether any user may pass through ``folder`` and everything above it."""
    resolved = folder.resolve()
    return all(
        stat.S_IMODE(path.stat().st_mode) & stat.S_IXOTH for path in (resolved, *resolved.parents)
    )


def _give_to(folder: Path, user: str | None) -> None:
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        folder.chmod(0o700)
