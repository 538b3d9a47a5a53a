"""Every setting is documented, and nothing is documented that no process reads."""

import re
from importlib import import_module
from pathlib import Path

import msgspec
from opentelemetry.sdk import environment_variables as opentelemetry

from shared.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def variables() -> set[str]:
    found: set[str] = set()
    for path in ROOT.glob("services/*/settings.py"):
        module = import_module(f"services.{path.parent.name}.settings")
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, Settings):
                found |= {field.name.upper() for field in msgspec.structs.fields(kind)}
    return found


def test_the_documented_variables_are_those_that_are_read() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`([A-Z0-9_]+)`", row)}
    read_by_opentelemetry = {name for name in dir(opentelemetry) if name.startswith("OTEL_")}
    assert documented - (read_by_opentelemetry - variables()) == variables()
