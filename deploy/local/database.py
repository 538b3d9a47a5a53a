"""Which modules own tables, in the order in which they are migrated."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def modules() -> tuple[str, ...]:
    """The log first, then every service that has migrations."""
    services = sorted(path.parent.name for path in ROOT.glob("services/*/migrations"))
    return ("shared.event_store", *(f"services.{name}" for name in services))
