"""Where publishers send to: one address for each way that this installation receives by. Pure."""

from typing import Final
from urllib.parse import urlsplit

import msgspec

_WHIP: Final = "/api/v1/live/whip"


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """None: not received that way. ``whip_url`` is an address of the gateway's, like those of
    media."""

    rtmp_url: str
    rtmps_url: str | None = None
    srt_url: str | None = None
    whip_url: str | None = None


def addresses(
    rtmp_url: str,
    *,
    rtmps: str | int | None = None,
    srt: str | int | None = None,
    whip: bool = False,
) -> Addresses:
    """``rtmps`` and ``srt``: what people are told, or the port of this process, which then is at
    the host of ``rtmp_url``."""
    parts = urlsplit(rtmp_url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return Addresses(
        rtmp_url=rtmp_url,
        rtmps_url=f"rtmps://{host}:{rtmps}{parts.path}" if isinstance(rtmps, int) else rtmps,
        srt_url=f"srt://{host}:{srt}" if isinstance(srt, int) else srt,
        whip_url=_WHIP if whip else None,
    )
