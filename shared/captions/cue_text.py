"""The text of a cue, made safe: a few tags that only style, well nested; all else is text.

Whoever wrote the file may be hostile, and whoever shows it may paste it into a page.
"""

import re
import unicodedata
from html import unescape
from typing import Final

# Bold, italic, underlined; readings beside characters; who speaks (WebVTT, section 3.5).
_STYLES: Final = frozenset({"b", "i", "u", "ruby", "rt"})
_VOICE: Final = "v"
_TAG: Final = re.compile(r"<(?!\s)(/?)([A-Za-z]*)([^<>]*)>")
_MAX_DEPTH: Final = 8
# ASS overrides such as {\an8}, which programs leave in SRT files.
_OVERRIDE: Final = re.compile(r"\{\\[^{}]*\}")
_ESCAPED: Final = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
# They turn the text around them; marks of one direction and isolates stay.
_OVERRIDES: Final = frozenset("\u202a\u202b\u202c\u202d\u202e")


def safe_text(raw: str) -> str:
    """The lines of a cue as markup that any player may show; "" where nothing is to be seen."""
    written: list[str] = []
    opened: list[str] = []
    at = 0
    for tag in _TAG.finditer(raw):
        written.append(_plain(raw[at : tag.start()]))
        at = tag.end()
        closing, name, rest = tag.groups()
        classes, _, annotation = rest.partition(" ")
        known = name.lower() if not classes or classes.startswith(".") else ""
        written.append(_close(known, opened) if closing else _open(known, annotation, opened))
    written.append(_plain(raw[at:]))
    written += [f"</{name}>" for name in reversed(opened)]
    lines = (line.strip() for line in "".join(written).split("\n"))
    kept = "\n".join(line for line in lines if line)
    return kept if plain_text(kept).strip() else ""


def plain_text(markup: str) -> str:
    """What is read of a safe text."""
    return unescape(_TAG.sub("", markup))


def _open(name: str, annotation: str, opened: list[str]) -> str:
    if len(opened) >= _MAX_DEPTH:
        return ""
    if name in _STYLES:
        opened.append(name)
        return f"<{name}>"
    speaker = " ".join(_plain(annotation).split())
    if name == _VOICE and speaker:
        opened.append(name)
        return f"<{name} {speaker}>"
    return ""


def _close(name: str, opened: list[str]) -> str:
    """The end of an element, and of those inside that are still open."""
    if name not in opened:
        return ""
    ends: list[str] = []
    while True:
        inner = opened.pop()
        ends.append(f"</{inner}>")
        if inner == name:
            return "".join(ends)


def _plain(raw: str) -> str:
    text = unescape(_OVERRIDE.sub("", raw))
    kept = "".join(char for char in text if char == "\n" or not _is_refused(char))
    return unicodedata.normalize("NFC", kept).translate(_ESCAPED)


def _is_refused(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cs", "Cn"} or char in _OVERRIDES
