"""Reads ASS and SSA files (SubStation Alpha): when each line is shown, and its text."""

import re
from collections.abc import Iterator
from typing import Final

from shared.captions.cue_text import safe_text
from shared.captions.cues import MAX_CUES, Cue, RefusedCaptions, checked

_SECTION: Final = re.compile(r"\[(.+)\]\s*")
_TIME: Final = re.compile(r"([0-9]{1,2}):([0-5]?[0-9]):([0-5]?[0-9])[.:]([0-9]{1,3})")
# The order of fields where a file does not state it.
_FIELDS: Final = ("layer", "start", "end", "style", "name", "l", "r", "v", "effect", "text")
# Italic, bold, underlined on and off; everything else that overrides a style is left out.
_STYLE: Final = re.compile(r"\\([ibu])([01])(?![0-9])")
_OVERRIDES: Final = re.compile(r"\{([^{}]*)\}")
# Commands that draw instead of writing.
_DRAWING: Final = re.compile(r"\\p[1-9]")
_BREAKS: Final = re.compile(r"\\[Nn]")


def is_ass(text: str) -> bool:
    """Whether a file begins like one."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    return first.strip().lower() == "[script info]"


def read_ass(text: str) -> list[Cue]:
    """The cues of a file, safe to show. Raises RefusedCaptions with a line."""
    cues: list[Cue] = []
    for number, fields in _dialogue(text):
        if len(cues) >= MAX_CUES:
            raise RefusedCaptions(f"The file has more than {MAX_CUES} captions.", number)
        shown = safe_text(_markup(fields.get("text", "")))
        if not shown:
            continue
        start, end = _milliseconds(fields, "start", number), _milliseconds(fields, "end", number)
        cues.append(checked(Cue(start, end, shown), number))
    return cues


def _dialogue(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines of dialogue, by the names of their fields."""
    section, names = "", _FIELDS
    for number, line in enumerate(text.split("\n"), start=1):
        found = _SECTION.fullmatch(line.strip())
        if found:
            section = found[1].lower()
            continue
        key, colon, value = line.partition(":")
        if section != "events" or not colon:
            continue
        if key.strip().lower() == "format":
            names = tuple(name.strip().lower() for name in value.split(","))
            if names[-1] != "text" or not {"start", "end"} <= set(names):
                raise RefusedCaptions("the fields Start, End and Text were expected.", number)
        elif key.strip().lower() == "dialogue":
            yield number, dict(zip(names, value.split(",", len(names) - 1), strict=False))


def _milliseconds(fields: dict[str, str], name: str, line: int) -> int:
    found = _TIME.fullmatch(fields.get(name, "").strip())
    if found is None:
        raise RefusedCaptions("a time such as “0:00:01.00” was expected.", line)
    hours, minutes, seconds = (int(part) for part in found.groups()[:3])
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + int(found[4].ljust(3, "0"))


def _markup(text: str) -> str:
    """The text with tags of WebVTT; "" for a drawing. ``safe_text`` puts tags in order."""
    if _DRAWING.search(text):
        return ""
    plain = _BREAKS.sub("\n", text.replace("\\h", "\u00a0")).replace("<", "&lt;")
    return _OVERRIDES.sub(lambda found: _tags(found[1]), plain)


def _tags(overrides: str) -> str:
    found = _STYLE.findall(overrides)
    return "".join(f"<{name}>" if state == "1" else f"</{name}>" for name, state in found)
