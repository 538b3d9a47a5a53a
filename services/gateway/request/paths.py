"""Request targets that are refused before they are routed.

Two programs can read a path such as ``/a/%2e%2e/b`` in two ways, and an attacker uses that to
evade a rule. The gateway normalises no path: it refuses (RFC 3986 §6.2.2, RFC 9110 §4.2).
"""

import re
from typing import Final

MAX_PATH: Final = 4096
MAX_QUERY: Final = 8192

_AMBIGUOUS: Final = re.compile(
    rb"//"  # an empty segment
    rb"|/\.\.?(?:[/;]|\Z)"  # . and .. as segments
    rb"|%(?:2[eEfF]|5[cC]|00)"  # an escaped dot, slash, backslash or NUL
    rb"|%(?![0-9a-fA-F]{2})"  # an incomplete escape
    rb"|[\x00-\x20\x7f-\xff\\\"<>^`{|}]"  # characters that a URI cannot contain
)
_BAD_QUERY: Final = re.compile(rb"[\x00-\x20\x7f-\xff]")


def refusal(raw_path: bytes, query: bytes) -> int:
    """0 where the target has one reading, else the status to refuse it with: 400 or 414."""
    if len(raw_path) > MAX_PATH or len(query) > MAX_QUERY:
        return 414
    if raw_path[:1] != b"/" or _AMBIGUOUS.search(raw_path) is not None:
        return 400
    if query and _BAD_QUERY.search(query) is not None:
        return 400
    return 0
