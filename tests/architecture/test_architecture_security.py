"""The table of what is claimed about security names tests that exist, and leaves none out."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_ROWS = [
    line
    for line in (ROOT / "docs/security.md").read_text().splitlines()
    if re.match(r"\| V\d+ ", line)
]


def test_every_chapter_has_a_row() -> None:
    chapters = [int(re.match(r"\| V(\d+) ", row)[1]) for row in _ROWS]  # pyright: ignore[reportOptionalSubscript]
    assert chapters == list(range(1, 18))


def test_named_tests_exist() -> None:
    named = [name for row in _ROWS for name in re.findall(r"`(tests/[^`]*)`", row)]
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_every_test_of_security_is_named() -> None:
    text = "\n".join(_ROWS)
    files = sorted((ROOT / "tests/security").rglob("test_*.py"))
    assert [str(file.relative_to(ROOT)) for file in files if file.name not in text] == []


def test_what_is_claimed_is_tested() -> None:
    for row in _ROWS:
        _, _, claimed, tested, left, _ = (cell.strip() for cell in row.split("|"))
        assert (claimed == "–") == (tested == "–"), row
        assert claimed != "–" or left != "–", row
