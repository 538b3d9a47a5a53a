"""The documents of the repository, and what is quoted in them."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Document(Struct, frozen=True):
    """One Markdown file; ``name`` is its path in the repository."""

    name: str
    text: str

    @property
    def prose(self) -> str:
        """Without fenced blocks."""
        return _FENCE.sub("", self.text)

    @property
    def quoted(self) -> list[str]:
        """What stands between single backticks."""
        return _CODE.findall(self.prose)

    @property
    def links(self) -> list[str]:
        """Where its links lead."""
        return _LINK.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        """Of its headings, as GitHub makes them."""
        titles = (re.sub(r"[`*]", "", title) for title in _HEADING.findall(self.prose))
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}

    def blocks(self, *languages: str) -> list[str]:
        """Its fenced blocks in these languages."""
        return [body for language, body in _FENCE.findall(self.text) if language in languages]

    @property
    def commands(self) -> Iterator[str]:
        """Quoted text and lines of shell blocks, without their comments."""
        yield from self.quoted
        for block in self.blocks("sh", "text"):
            for line in block.splitlines():
                yield re.sub(r"\s{2,}#.*", "", line).removeprefix("$ ").strip()


def documents() -> list[Document]:
    """All Markdown files that are in the repository or about to be."""
    listed = subprocess.run(
        ("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.md"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    files = sorted({name for name in listed if (ROOT / name).is_file()})
    return [Document(name, (ROOT / name).read_text()) for name in files]


def table(document: Document, *header: str) -> list[list[str]]:
    """The cells below the table whose header begins with these names."""
    begin = "| " + " | ".join(header) + " |"
    _, found, rest = document.text.partition(begin)
    assert found, f"{document.name} has no table {begin}"
    lines = rest.partition("\n")[2].splitlines()[1:]
    rows: list[list[str]] = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows
