"""The stream id of a caller: a name alone, or SRT's access control syntax. Pure.

``#!::r=NAME,m=publish``: https://github.com/Haivision/srt/blob/master/docs/features/access-control.md
"""

from typing import Final

_PREFIX: Final = "#!::"
_MAX_LENGTH: Final = 512


def resource_of(stream_id: str) -> str | None:
    """What a publisher names; None where it names nothing, or wants to receive."""
    if len(stream_id) > _MAX_LENGTH:
        return None
    if not stream_id.startswith(_PREFIX):
        return stream_id or None
    fields: dict[str, str] = {}
    for pair in stream_id[len(_PREFIX) :].split(","):
        name, equals, value = pair.partition("=")
        if not equals or name in fields:
            return None
        fields[name] = value
    if fields.get("m", "publish") != "publish":
        return None
    return fields.get("r") or None
