"""Which request targets are refused before anything looks at them.

A path that two programs can read in two ways is how a rule is walked around, so the
gateway normalises nothing: it refuses. (RFC 3986 §6.2.2, RFC 9110 §4.2.)
"""

import re

MAX_PATH = 4096
MAX_QUERY = 8192

_TRICK = re.compile(
    rb"//"  # an empty segment
    rb"|/\.\.?(?:[/;]|\Z)"  # . and .. as segments
    rb"|%(?:2[eEfF]|5[cC]|00)"  # the same, a slash, a backslash or NUL, hidden
    rb"|%(?![0-9a-fA-F]{2})"  # half an escape
    rb"|[\x00-\x20\x7f-\xff\\\"<>^`{|}]"  # what a URI cannot contain
)
_BAD_QUERY = re.compile(rb"[\x00-\x20\x7f-\xff]")


def refusal(raw_path: bytes, query: bytes) -> int:
    """0 when the target is plain, else the status to refuse it with: 400 or 414."""
    if len(raw_path) > MAX_PATH or len(query) > MAX_QUERY:
        return 414
    if raw_path[:1] != b"/" or _TRICK.search(raw_path) is not None:
        return 400
    if query and _BAD_QUERY.search(query) is not None:
        return 400
    return 0
