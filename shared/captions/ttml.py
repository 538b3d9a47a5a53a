"""Reads TTML files (also DFXP and IMSC text): when each paragraph is shown, and its text.

The reader is expat, which must be taken for attackable: a document type, and with it every entity
of its own, is refused before it means anything, and depth and number of elements have limits.
"""

import re
from typing import Final
from xml.parsers import expat

from shared.captions.cue_text import safe_text
from shared.captions.cues import MAX_CUE_TEXT, MAX_CUES, Cue, RefusedCaptions, checked

_OLD: Final = re.compile(r"http://www\.w3\.org/(?:ns/ttml|2006/(?:04|10)/ttaf1|2006/ttaf1)")
_MAX_DEPTH: Final = 32
_MAX_ELEMENTS: Final = 8 * MAX_CUES
_CLOCK: Final = re.compile(
    r"([0-9]{2,3}):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]{1,9})|:([0-9]{2,3}))?"
)
_OFFSET: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(h|ms|m|s|f|t)")
_UNITS: Final = {"h": 3_600_000.0, "m": 60_000.0, "s": 1000.0, "ms": 1.0}
_SPACES: Final = re.compile(r"[ \t\n]+")


def is_ttml(text: str) -> bool:
    """Whether a file must be one: no other form begins like XML."""
    return text.lstrip().startswith("<")


def read_ttml(text: str) -> list[Cue]:
    """The cues of a file, safe to show. Raises RefusedCaptions with a line."""
    reader = _Reader()
    reader.read(text)
    return reader.cues


class _Reader:
    """Collects paragraphs on the way through the document."""

    def __init__(self) -> None:
        self.cues: list[Cue] = []
        self._parser = expat.ParserCreate("utf-8", " ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.EntityDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        self._elements = 0
        self._names: list[str] = []
        # Begin and end of each element that is open, in milliseconds; None where it has none.
        self._times: list[tuple[float, float | None]] = [(0.0, None)]
        self._text: list[str] | None = None
        self._rates = (30.0, 1.0)

    def read(self, text: str) -> None:
        """Read a whole document."""
        try:
            self._parser.Parse(text.encode("utf-8", "surrogatepass"), True)
        except expat.ExpatError as error:
            raise RefusedCaptions("this is not well-formed XML.", error.lineno) from None

    @property
    def _line(self) -> int:
        return self._parser.CurrentLineNumber

    def _refuse(self, *_declared: object) -> None:
        raise RefusedCaptions("a document type is not allowed.", self._line)

    def _start(self, full: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > _MAX_ELEMENTS or len(self._names) >= _MAX_DEPTH:
            raise RefusedCaptions("The file has too many elements.", self._line)
        space, _, name = full.rpartition(" ")
        known = name if _OLD.match(space) or not space else ""
        if not self._names:
            self._begin(known, attributes)
        self._names.append(known)
        self._times.append(self._span(attributes))
        if known == "p":
            self._text = []
        elif known == "br" and self._text is not None:
            self._text.append("\n")

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        if name != "tt":
            raise RefusedCaptions("this is not TTML.", self._line)
        rates = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        frames, ticks = rates.get("frameRate", "30"), rates.get("tickRate", "1")
        if not (frames.isdigit() and ticks.isdigit() and int(frames) and int(ticks)):
            raise RefusedCaptions("a rate is a whole number.", self._line)
        multiplier = re.fullmatch(
            r"([1-9][0-9]{0,5})[ :]([1-9][0-9]{0,5})", rates.get("frameRateMultiplier", "1 1")
        )
        factor = int(multiplier[1]) / int(multiplier[2]) if multiplier else 1.0
        self._rates = (int(frames) * factor, float(int(ticks)))

    def _span(self, attributes: dict[str, str]) -> tuple[float, float | None]:
        """When an element is shown: its times count from its parent's beginning."""
        start, stop = self._times[-1]
        begin = start + self._time(attributes.get("begin", "0s"))
        ends = [stop] if stop is not None else []
        if "end" in attributes:
            ends.append(start + self._time(attributes["end"]))
        if "dur" in attributes:
            ends.append(begin + self._time(attributes["dur"]))
        return begin, min(ends, default=None)

    def _time(self, value: str) -> float:
        """Milliseconds (TTML 2, section 12.3.1)."""
        clock = _CLOCK.fullmatch(value.strip())
        frames, ticks = self._rates
        if clock:
            whole = (int(clock[1]) * 60 + int(clock[2])) * 60 + int(clock[3])
            part = float(f"0.{clock[4]}") if clock[4] else int(clock[5] or 0) / frames
            return (whole + part) * 1000
        offset = _OFFSET.fullmatch(value.strip())
        if offset is None:
            raise RefusedCaptions("a time such as “00:00:01.000” was expected.", self._line)
        amount, unit = float(offset[1]), offset[2]
        if unit in ("f", "t"):
            return amount * 1000 / (frames if unit == "f" else ticks)
        return amount * _UNITS[unit]

    def _data(self, data: str) -> None:
        # Text of metadata inside a paragraph is not shown.
        if self._text is not None and self._names[-1] in ("p", "span"):
            self._text.append(_SPACES.sub(" ", data).replace("&", "&amp;").replace("<", "&lt;"))
            if sum(map(len, self._text)) > 8 * MAX_CUE_TEXT:
                raise RefusedCaptions(f"it has more than {MAX_CUE_TEXT} characters.", self._line)

    def _end(self, _full: str) -> None:
        name, (begin, end) = self._names.pop(), self._times.pop()
        if name != "p" or self._text is None:
            return
        text, self._text = safe_text("".join(self._text)), None
        if not text:
            return
        if end is None:
            raise RefusedCaptions("it does not say when it ends.", self._line)
        if len(self.cues) >= MAX_CUES:
            raise RefusedCaptions(f"The file has more than {MAX_CUES} captions.", self._line)
        self.cues.append(checked(Cue(round(begin), round(end), text), self._line))
