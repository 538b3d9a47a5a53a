"""One home folder: its secrets, the ports it had, and where its files lie."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

import msgspec

from deploy.local import ports


class Home:
    """A state folder. Everything secret in it is readable by its owner alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.folder / "logs"

    def secrets(self, names: Iterable[str]) -> dict[str, str]:
        """A random secret for each name, the same one every time."""
        path = self.folder / "secrets.json"
        known = _read(path)
        missing = [name for name in names if name not in known]
        if missing:
            known |= {name: secrets.token_urlsafe(36) for name in missing}
            write_private(path, msgspec.json.encode(known))
        return known

    def ports(self, names: Iterable[str]) -> dict[str, int]:
        """A free port for each name, last time's where it is still free."""
        chosen = ports.choose(names, self.known_ports())
        write_private(self.folder / "ports.json", msgspec.json.encode(chosen))
        return chosen

    def known_ports(self) -> dict[str, int]:
        """The ports that were given out last, whether they are in use or not."""
        path = self.folder / "ports.json"
        return msgspec.json.decode(path.read_bytes(), type=dict[str, int]) if path.exists() else {}

    def is_ours(self) -> bool:
        """Whether this folder was made here, and so may be emptied."""
        return (self.folder / "secrets.json").exists()


def write_private(path: Path, data: bytes) -> None:
    """Replace a file in one step; nobody else can read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(data)
    partial.replace(path)


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
