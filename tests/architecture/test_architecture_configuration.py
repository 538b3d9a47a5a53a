"""Every setting is documented as it is, and nothing is documented that no process reads."""

import pkgutil
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploy.needs import Needs, table
from shared.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
NEEDS: tuple[Needs, ...] = (
    *table().processes.values(),
    *table().companions.values(),
    *table().tools.values(),
)
_UNITS = (("GiB", 1 << 30), ("MiB", 1 << 20))


def documented() -> dict[str, list[tuple[str, bool]]]:
    """Each variable's rows: its default, and whether `make up` passes it on."""
    found: dict[str, list[tuple[str, bool]]] = {}
    for line in (ROOT / "docs" / "configuration.md").read_text().splitlines():
        if not line.startswith("| `"):
            continue
        names, default = (cell.strip() for cell in line.split("|")[1:3])
        several = re.findall(r"`([A-Z0-9_]+)`( •)?", names)
        defaults = default.split(", ") if re.fullmatch(r"[\d., ]+", default) else [default]
        if len(defaults) < len(several):
            defaults = [default] * len(several)
        for (name, mark), value in zip(several, defaults, strict=True):
            found.setdefault(name, []).append((value, bool(mark)))
    return found


def defaults(variable: str) -> set[str]:
    """What the settings say, as the document writes it."""
    found: set[str] = set()
    for needs in NEEDS:
        if not needs.settings:
            continue
        kind: type[Settings] = pkgutil.resolve_name(needs.settings)
        for field in msgspec.structs.fields(kind):
            if field.name.upper() == variable:
                found.add("required" if field.required else written(field.default))
    return found


def written(default: Any) -> str:
    match default:
        case None | ():
            return "–"
        case bool():
            return f"`{str(default).lower()}`"
        case int() | float():
            for unit, size in _UNITS:
                if default >= size and default % size == 0:
                    return f"{default // size} {unit}"
            return f"{default:g}" if isinstance(default, float) else str(default)
        case tuple():
            return ",".join(str(each) for each in default)
        case _:
            return f"`{default}`"


def test_the_documented_variables_are_those_that_are_read() -> None:
    every = table().every
    read = {*every.variables, *every.options}
    for needs in NEEDS:
        read |= {*needs.given(archived=True), *needs.optional(archived=True)}
    assert documented().keys() == read


@pytest.mark.parametrize("variable", documented())
def test_the_documented_default_is_the_real_one(variable: str) -> None:
    real = defaults(variable)
    for default, _ in documented()[variable]:
        # Where processes differ, the document says so: `– (required for the reconciler)`.
        assert all(each in default for each in real), f"{default} is {real}"
        if len(real) == 1:
            assert {default} == real


def test_what_make_up_passes_on_is_marked() -> None:
    rows = documented()
    assert {name for name in rows if rows[name][0][1]} == table().options
