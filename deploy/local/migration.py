"""``make migration``: compare a service's models with its migrations on a scratch database."""

import asyncio
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from deploy.local import ports
from deploy.local.database import ROOT
from deploy.local.parts import postgres
from deploy.local.supervisor import StepFailed, Supervisor
from shared.database.revision import write


async def write_migration(module: str, message: str) -> Path:
    """Write the module's next migration; returns its file."""
    home = temporary_home()
    chosen = ports.choose(postgres.PORTS, {})
    password = secrets.token_urlsafe(24)
    supervisor = Supervisor(postgres.steps(home, chosen, password, durable=False), home / "logs")
    try:
        await supervisor.start()
        return await write(postgres.url(chosen, password), module, message)
    finally:
        await supervisor.stop()
        postgres.forget(home)
        shutil.rmtree(home)


def temporary_home() -> Path:
    """A new folder through which the database server's user passes; it cannot list."""
    home = Path(tempfile.mkdtemp(prefix="cinelog-"))
    home.chmod(0o711)
    return home


def main() -> int:
    """``python -m deploy.local.migration SERVICE MESSAGE``."""
    service, message = (*sys.argv[1:], "", "")[:2]
    module = "shared.event_store" if service == "log" else f"services.{service}"
    if not message or not (ROOT / module.replace(".", "/") / "tables.py").exists():
        sys.stderr.write('usage: make migration service=catalog name="add captions"\n')
        return 2
    try:
        path = asyncio.run(write_migration(module, message))
    except (StepFailed, ValueError) as error:
        sys.stderr.write(f"✗ {error}\n")
        return 1
    sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
