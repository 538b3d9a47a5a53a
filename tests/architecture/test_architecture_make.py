"""What `make` promises beside running programs."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.docker import images as images_tool
from deploy.needs import table as needs_table

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / "web").mkdir()
    scripts = {"format": "touch formatted"}
    (tmp_path / "web" / "package.json").write_text(json.dumps({"scripts": scripts}))
    return tmp_path


def test_fmt_formats_although_something_cannot_be_mended(folder: Path) -> None:
    module = folder / "module.py"
    module.write_text("import os\nx = {  'a':undefined }\n")
    broken = folder / "broken.py"
    broken.write_text("def (:\n")

    done = subprocess.run(("make", "fmt"), cwd=folder, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert "undefined" in done.stdout
    assert module.read_text() == 'x = {"a": undefined}\n'
    assert (folder / "web" / "formatted").exists()


MAKEFILE = (ROOT / "Makefile").read_text()


def variable(name: str) -> list[str]:
    (value,) = re.findall(rf"^{name} := (.+)$", MAKEFILE, re.MULTILINE)
    return value.split()


def test_a_target_for_every_image_has_every_image() -> None:
    """SBOM, audit and images: a service that is left out is released without them."""
    images = {needs.image for needs in needs_table().processes.values()}
    assert sorted(variable("IMAGES")) == sorted(images)
    assert images < set(variable("GROUPS"))
    assert set(images_tool.SERVICES) == images


def test_groups_are_those_that_are_pinned() -> None:
    pinned = {path.stem for path in (ROOT / "requirements").glob("*.txt")}
    assert set(variable("GROUPS")) == pinned


def test_tools_of_their_own_are_pinned_in_the_version_that_is_named() -> None:
    named = dict(pin.split("==") for pin in variable("TOOLS"))
    pinned = {path.stem: path.read_text() for path in (ROOT / "requirements/tools").glob("*.txt")}
    assert named.keys() == pinned.keys()
    for name, version in named.items():
        assert re.search(rf"^{name}=={re.escape(version)} ", pinned[name], re.MULTILINE), name
    assert set(re.findall(r"call tool,([\w-]+)", MAKEFILE)) <= named.keys()


def test_every_target_is_listed_and_does_not_depend_on_a_file_of_its_name() -> None:
    targets = set(re.findall(r"^([a-z-]+):(?!=)", MAKEFILE, re.MULTILINE))
    phony = {
        name
        for line in re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
        for name in line.split()
    }
    assert targets == phony
    helped = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    assert targets - helped == {"fetch-run", "fetch-dev", "help"} - helped
