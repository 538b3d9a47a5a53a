"""The index of decisions lists every page, as it is."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "decisions"
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
INDEX = (FOLDER / "README.md").read_text()
ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]]
    for line in INDEX.splitlines()
    if re.match(r"\| \[\d{4}\]", line)
]
AREAS = {
    area.strip(): range(int(first), int(last) + 1)
    for areas, first, last in re.findall(r"^\| ([\w, ]+) \| (\d{4})–(\d{4}) \|$", INDEX, re.M)
    for area in areas.split(",")
}
STATUS = re.compile(r"accepted|replaced(?: in part)? by \[(\d{4})\]\((.+)\)")


def page(number: str) -> Path:
    (found,) = FOLDER.glob(f"{number}-*.md")
    return found


def test_every_page_is_listed_in_order_under_its_title() -> None:
    listed = [(row[0], row[1]) for row in ROWS]
    wanted: list[tuple[str, str]] = []
    for path in PAGES:
        title = path.read_text().splitlines()[0].removeprefix(f"# {path.name[:4]} ")
        wanted.append((f"[{path.name[:4]}]({path.name})", title))
    assert listed == wanted


def test_numbers_are_unique() -> None:
    numbers = [path.name[:4] for path in PAGES]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][1:5])
def test_a_row_has_an_area_and_a_status(row: list[str]) -> None:
    number, _, area, status = row
    assert int(number[1:5]) in AREAS[area]
    found = STATUS.fullmatch(status)
    assert found is not None, status
    if found.group(1):
        # Both pages say so.
        later = page(found.group(1))
        assert later.name == found.group(2)
        assert later.name in page(number[1:5]).read_text()
        assert page(number[1:5]).name in later.read_text()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name[:4])
def test_a_page_says_what_was_decided_and_what_it_costs(path: Path) -> None:
    text = path.read_text()
    assert re.match(r"# \d{4} \S", text)
    headings = re.findall(r"^\*\*([\w ]+)\.\*\*", text, re.M)
    assert headings[0] == "To decide"
    assert headings[-1] == "Cost"
    assert "Chosen" in headings
    assert set(headings) <= {"To decide", "Considered", "Chosen", "Replaced in part", "Why", "Cost"}
