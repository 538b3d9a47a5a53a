"""What `make` promises beside running programs."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

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
