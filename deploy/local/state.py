"""One home folder: its secrets, the ports it had, and where its files lie."""

import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from deploy.local import ports
from deploy.local.files import write_private

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
T = TypeVar("T")


class StateDamaged(Exception):
    """A part of the state is unusable and cannot be made again; the message says what to do."""


class Home:
    """A state folder. Everything secret in it is readable by its owner alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        # The second is read where the first is missing or unusable.
        self._secrets = (self.folder / "secrets.json", self.folder / "secrets.copy.json")

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.folder / "logs"

    def secrets(self, names: Iterable[str]) -> dict[str, str]:
        """A random secret for each name, the same one every time.

        Raises StateDamaged where a database is there and its secrets are not.
        """
        copies = [read_json(path, dict[str, str]) for path in self._secrets]
        known = {name: secret for copy in reversed(copies) for name, secret in (copy or {}).items()}
        if not known and os.path.lexists(self.folder / "postgres"):
            raise StateDamaged(
                f"{self._secrets[0]} cannot be read, nor its copy {self._secrets[1].name}. The "
                "database was made with the secrets in them: put one of the two files back from a "
                "backup, or forget this instance's state: make clean"
            )
        known |= {name: secrets.token_urlsafe(36) for name in names if name not in known}
        for path, copy in zip(self._secrets, copies, strict=True):
            if copy != known:
                write_private(path, msgspec.json.encode(known))
        return known

    def ports(self, names: Iterable[str], wished: Mapping[str, int] = {}) -> dict[str, int]:
        """A free port for each name: last time's, or else the one ``wished``, where it is free."""
        chosen = ports.choose(names, {**wished, **self.known_ports()})
        write_private(self.folder / "ports.json", msgspec.json.encode(chosen))
        return chosen

    def known_ports(self) -> dict[str, int]:
        """The ports that were given out last, in use or not; none where they cannot be read."""
        return read_json(self.folder / "ports.json", dict[str, Port]) or {}

    def is_ours(self) -> bool:
        """Whether this folder was made here, and so may be emptied."""
        return any(path.exists() for path in self._secrets)


def read_json(path: Path, kind: type[T]) -> T | None:
    """A file's content; None where it is missing or damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
