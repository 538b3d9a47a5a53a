"""Which modules own tables, in the order in which they are migrated."""

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def modules() -> tuple[str, ...]:
    """The log first, then every service that has migrations."""
    services = sorted(path.parent.name for path in ROOT.glob("services/*/migrations"))
    return ("shared.event_store", *(f"services.{name}" for name in services))


def fingerprint() -> str:
    """Of every migration and of what runs them: while it stays, there is nothing to migrate."""
    folders = [ROOT / module.replace(".", "/") / "migrations" for module in modules()]
    digest = hashlib.sha256()
    for folder in (ROOT / "shared" / "database", *folders):
        for path in sorted(folder.rglob("*.py")):
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]
