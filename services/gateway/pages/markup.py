"""HTML and XML made of text that anybody may have written. Pure.

Whatever text is given stays text: what could end an attribute, an element or a script is escaped,
and characters that XML cannot contain (XML 1.0, §2.2) are left out.
"""

import re
from collections.abc import Mapping
from html import escape
from typing import Any, Final

import msgspec

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPACES: Final = re.compile(r"\s+")
# What could end a script or begin a comment in it, and line ends of JavaScript before 2019.
_IN_SCRIPT: Final = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def text(value: str) -> str:
    """``value`` as the text of an element, or as an attribute's value between quotes."""
    return escape(_NOT_XML.sub("", value), quote=True)


def element(name: str, attributes: Mapping[str, str] | None = None, *inside: str) -> str:
    """An element. Names are ours; values of attributes are any text; ``inside`` is markup.

    With "" inside it has an end tag nevertheless, which most elements of HTML need.
    """
    named = "".join(f' {key}="{text(value)}"' for key, value in (attributes or {}).items())
    return f"<{name}{named}>{''.join(inside)}</{name}>" if inside else f"<{name}{named} />"


def leaf(name: str, value: str) -> str:
    """An element with a text inside."""
    return element(name, None, text(value))


def json_script(data: Any) -> str:
    """Data for programs that read the page; browsers run nothing of it."""
    encoded = msgspec.json.encode(data).decode().translate(_IN_SCRIPT)
    return f'<script type="application/ld+json">{encoded}</script>'


def one_line(value: str, longest: int) -> str:
    """``value`` without line ends, at most ``longest`` characters long."""
    line = _SPACES.sub(" ", value).strip()
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"
