"""Writes the tables of docs/media.md: the containers that are accepted, and what is refused.

``python -m tools.media_page``; a test compares.
"""

from pathlib import Path

from shared.containers import CONTAINERS, REFUSED, Kind

PAGE = Path(__file__).resolve().parents[1] / "docs" / "media.md"
_START = "<!-- tables: written by python -m tools.media_page -->\n"
_END = "<!-- end of the tables -->\n"
_TITLES: dict[Kind, str] = {
    "video": "Video",
    "moving picture": "Moving pictures",
    "sound": "Sound",
}


def tables() -> str:
    """The Markdown tables."""
    lines = ["| Container | Names end with | ffmpeg's demuxer | |", "| --- | --- | --- | --- |"]
    for kind, title in _TITLES.items():
        lines.append(f"| **{title}** | | | |")
        lines += [
            f"| {each.title} | {', '.join(f'`.{ending}`' for ending in each.endings)} | "
            f"`{each.demuxer}` | {each.note} |"
            for each in CONTAINERS
            if each.kind == kind
        ]
    lines += ["", "Refused at upload, with `not_a_video`:", ""]
    lines += ["| What | Why, and what helps |", "| --- | --- |"]
    lines += [f"| {what} | {why} |" for what, why in REFUSED]
    return "\n".join(lines) + "\n"


def page(current: str) -> str:
    """The page with its tables as the code has them."""
    head, _, rest = current.partition(_START)
    _, _, tail = rest.partition(_END)
    return f"{head}{_START}\n{tables()}\n{_END}{tail}"


def main() -> None:
    """Write it."""
    PAGE.write_text(page(PAGE.read_text()))


if __name__ == "__main__":
    main()
