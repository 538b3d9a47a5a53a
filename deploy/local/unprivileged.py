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

from deploy.local.files import sync_folder

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


class FolderLost(Exception):
    """The server's files lay elsewhere and are gone; the message says where they were."""


def own_folder(wanted: Path) -> Path:
    """A private folder that belongs to the server's user: ``wanted`` itself wherever possible.

    Files that lie where the user can no longer reach them are moved, and ``wanted`` becomes a
    link. Raises FolderLost where a link leads nowhere.
    """
    user = user_for_servers()
    wanted.parent.mkdir(parents=True, exist_ok=True)
    _end_interrupted_move(wanted)
    if wanted.is_symlink():
        if wanted.is_dir():
            return wanted.resolve()
        raise FolderLost(
            f"{wanted} leads to {wanted.readlink()}, which is gone with all that was in it. "
            "Put that folder back, or forget this instance's state: make clean"
        )
    if user is None or others_can_reach(wanted.parent):
        if not wanted.exists():
            wanted.mkdir(mode=0o700)
            _give_to(wanted, user)
        return wanted.resolve()
    elsewhere = Path(tempfile.mkdtemp(prefix="cinelog-", dir=_ELSEWHERE))
    if wanted.is_dir():
        shutil.copytree(wanted, elsewhere, symlinks=True, dirs_exist_ok=True)
    _give_to(elsewhere, user)
    _replace_by_link(wanted, elsewhere)
    return elsewhere


def _replace_by_link(wanted: Path, elsewhere: Path) -> None:
    if wanted.is_dir():
        os.sync()  # the copy is on the disk before what it was made from is removed
        wanted.rename(_moved(wanted))
    wanted.symlink_to(elsewhere)
    # A link that a power loss takes back would leave its files behind, and new ones be made.
    sync_folder(wanted.parent)
    _end_interrupted_move(wanted)


def _end_interrupted_move(wanted: Path) -> None:
    """What was moved is put back where no copy took its place, and removed otherwise."""
    moved = _moved(wanted)
    if not moved.exists():
        return
    if wanted.is_symlink():
        shutil.rmtree(moved)
    else:
        moved.rename(wanted)


def _moved(wanted: Path) -> Path:
    return wanted.with_name(wanted.name + ".moved")


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
    if user_for_servers() is None or all(
        others_can_reach(tree.parent) and _others_can_read(tree) for tree in trees
    ):
        return trees[0].parent
    if not _is_copy(copy, trees):
        partial = copy.with_name(copy.name + ".partial")
        for incomplete in (partial, copy):
            shutil.rmtree(incomplete, ignore_errors=True)
        for tree in trees:
            shutil.copytree(tree, partial / tree.name, symlinks=True)
        _let_others_read(partial)
        partial.rename(copy)
    return copy


def _is_copy(copy: Path, trees: Sequence[Path]) -> bool:
    """Whether the server's user can read all of it, and no power loss cut any of it short."""
    return (
        copy.exists()
        and _others_can_read(copy)
        and all(_sizes(copy / tree.name) == _sizes(tree) for tree in trees)
    )


def _sizes(tree: Path) -> dict[Path, int]:
    return {
        path.relative_to(tree): path.lstat().st_size
        for path in tree.rglob("*")
        if not path.is_dir()
    }


def _others_can_read(tree: Path) -> bool:
    """Whether any user may read all of it, and run what its owner may run."""
    modes = (path.lstat().st_mode for path in (tree, *tree.rglob("*")))
    return all(stat.S_ISLNK(mode) or _opened(mode) == stat.S_IMODE(mode) for mode in modes)


def _let_others_read(tree: Path) -> None:
    """Whatever umask the files were made under."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(_opened(path.stat().st_mode))


def _opened(mode: int) -> int:
    """The permissions, with the owner's to read and to run given to everybody."""
    owners = mode & (stat.S_IRUSR | stat.S_IXUSR)
    return stat.S_IMODE(mode) | owners >> 3 | owners >> 6


def others_can_reach(folder: Path) -> bool:
    """Whether any user may pass through ``folder`` and everything above it."""
    resolved = folder.resolve()
    return all(
        stat.S_IMODE(path.stat().st_mode) & stat.S_IXOTH for path in (resolved, *resolved.parents)
    )


def _give_to(folder: Path, user: str | None) -> None:
    if user is not None:
        entry = pwd.getpwnam(user)
        for path in (folder, *folder.rglob("*")):
            os.lchown(path, entry.pw_uid, entry.pw_gid)
        folder.chmod(0o700)
