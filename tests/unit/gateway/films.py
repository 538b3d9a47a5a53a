"""Videos as the catalog tells of them, and texts that would like to be something else."""

from typing import Any

import msgspec

from services.gateway.pages.catalog_facts import Film

ID = "0190b7a8-1111-7000-8000-000000000001"

HOSTILE = (
    "</title><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script><!--",
    "<!--<script>",
    "]]><evil/>&amp;&#60;b&#62;",
    "a\x00b\x0bc\ufffe\u2028\u2029",
    "' onload='alert(1)",
    "\\1 \\g<0> {} %s",
)


def film_facts(**changes: Any) -> dict[str, Any]:
    """The catalog's answer for one video."""
    return {
        "id": ID,
        "title": "A ride",
        "description": "Through the city.",
        "username": "ada",
        "video": f"/media/public/{ID}/v1/master.m3u8",
        "thumbnail": f"/media/public/{ID}/v1/poster.webp",
        "duration_ms": 61_400,
        "width": 1920,
        "height": 1080,
        "views": 7,
        "tags": [{"id": "t", "name": "bikes"}],
        "CreatedAt": "2026-11-01T10:00:00Z",
        "UpdatedAt": "2026-11-02T10:00:00Z",
        "visibility": "public",
        "live": None,
        **changes,
    }


def film(**changes: Any) -> Film:
    """The same, decoded."""
    return msgspec.convert(film_facts(**changes), Film)
