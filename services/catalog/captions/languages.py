"""Language tags (BCP 47): whether one is well formed, and the one way in which it is written."""

import re
from typing import Final

# Language, script, region, variants (RFC 5646, section 2.1); without extensions and private use.
_TAG: Final = re.compile(
    r"(?P<language>[a-z]{2,3})(?:-(?P<script>[a-z]{4}))?(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3})){0,2})",
    re.IGNORECASE | re.ASCII,
)


def language_tag(text: str) -> str | None:
    """The tag as it is written (RFC 5646, section 2.1.1), or None where it is none: ``pt-BR``."""
    found = _TAG.fullmatch(text)
    if found is None:
        return None
    parts = [
        found["language"].lower(),
        (found["script"] or "").title(),
        (found["region"] or "").upper(),
    ]
    return "-".join(part for part in parts if part) + found["variants"].lower()
