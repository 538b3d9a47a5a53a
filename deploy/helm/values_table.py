"""Writes the chart's README: every value with its default and the comment above it.

``python -m deploy.helm.values_table``; a test compares.
"""

import re
from pathlib import Path

CHART = Path(__file__).with_name("cinelog")
README = CHART / "README.md"
_KEY = re.compile(r"^(\s*)([A-Za-z0-9]+):(?:\s+(.*))?$")
_START = "<!-- values: written by make chart -->"


def rows(text: str) -> list[tuple[str, str, str]]:
    """(path, default, comment) of every leaf in values.yaml."""
    found: list[tuple[str, str, str]] = []
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if line.strip().startswith("#"):
            comment.append(line.strip().lstrip("# "))
            continue
        key = _KEY.match(line)
        if key is None:
            comment = []
            continue
        indent, name, default = len(key[1]), key[2], key[3] or ""
        path = [*(step for step in path if step[0] < indent), (indent, name)]
        dotted = ".".join(step for _, step in path)
        nested = at + 1 < len(lines) and _deeper(lines[at + 1 :], indent)
        if default or not nested:
            found.append((dotted, default, " ".join(comment)))
        elif nested == "list":
            found.append((dotted, _block(lines[at + 1 :], indent), " ".join(comment)))
        elif comment:
            found.append((dotted, "", " ".join(comment)))
        comment = []
    return found


def table(text: str) -> str:
    """The Markdown table."""
    lines = ["| Value | Default | What |", "| --- | --- | --- |"]
    for path, default, comment in rows(text):
        shown = f"`{default}`".replace("|", "\\|") if default else ""
        lines.append(f"| `{path}` | {shown} | {comment.replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


def readme(current: str, values: str) -> str:
    """The README with its table as ``values`` has it."""
    head, _, _ = current.partition(_START)
    return f"{head}{_START}\n\n{table(values)}"


def _deeper(rest: list[str], indent: int) -> str:
    for line in rest:
        if not line.strip() or line.strip().startswith("#"):
            continue
        if len(line) - len(line.lstrip()) <= indent:
            return ""
        return "list" if line.strip().startswith("- ") else "map"
    return ""


def _block(rest: list[str], indent: int) -> str:
    taken: list[str] = []
    for line in rest:
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        taken.append(line.strip())
    return " ".join(filter(None, taken))


def main() -> None:
    """Write it."""
    values = (CHART / "values.yaml").read_text()
    README.write_text(readme(README.read_text(), values))


if __name__ == "__main__":
    main()
