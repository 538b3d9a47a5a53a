"""docs/rooms.md lists every room and module of the top floors, and nothing else."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "rooms.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", TEXT, re.MULTILINE))
PACKAGES = sorted(
    [str(path.parent.relative_to(ROOT)) for path in ROOT.glob("services/*/__init__.py")]
    + ["shared", "shared/event_store"]
)


def first_column(body: str) -> list[str]:
    cells = [line.split("|")[1] for line in body.splitlines() if line.startswith("| ")]
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def top_floor(folder: Path) -> set[str]:
    modules = {path.stem for path in folder.glob("*.py") if path.stem != "__init__"}
    rooms = {path.name for path in folder.iterdir() if any(path.glob("*.py"))}
    return modules | rooms


def test_every_package_has_a_section() -> None:
    assert sorted(title for title in SECTIONS if title.startswith(("services", "shared"))) == (
        PACKAGES
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_a_section_lists_what_is_there(package: str) -> None:
    listed = first_column(SECTIONS[package])
    assert len(set(listed)) == len(listed)
    assert set(listed) == top_floor(ROOT / package)


def test_what_stands_beside_the_product_is_there() -> None:
    listed = first_column(SECTIONS["Beside the product"])
    assert [name for name in listed if not (ROOT / name).exists()] == []
    folders = {name.split("/")[0] for name in listed}
    tops = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {"tests", "web"}
    assert tops - {"services", "shared"} <= folders
    tests = {str(p.relative_to(ROOT)) for p in (ROOT / "tests").iterdir() if any(p.glob("*.py"))}
    assert tests <= set(listed) | {"tests/unit"}
