"""Who views a video, as far as counting needs it: keyed hashes that change every day. Pure.

Neither address nor browser is stored, and yesterday's hashes lead to nobody.
"""

import hmac
from datetime import date
from typing import Final

import msgspec

_KEY_BYTES: Final = 16
_MAX_AGENT: Final = 400


class View(msgspec.Struct, frozen=True):
    """``viewer`` names address, program, day and video; ``address`` names address and day."""

    video_id: str
    viewer: bytes
    address: bytes
    day: date


class ViewKeys:
    """Makes the hashes. ``secret`` keeps others from finding out whose they are."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"cinelog views v1", "sha256")

    def view(self, video_id: str, address: str, agent: str, day: date) -> View:
        """A view of ``video_id``, from an address as the gateway saw it."""
        return View(
            video_id,
            self._hash("viewer", day.isoformat(), video_id, address, agent[:_MAX_AGENT]),
            self._hash("address", day.isoformat(), address),
            day,
        )

    def _hash(self, *parts: str) -> bytes:
        # Lengths keep two lists of parts apart that read the same one after the other.
        text = "".join(f"{len(part)}:{part}" for part in parts)
        return hmac.digest(self._key, text.encode("utf-8", "replace"), "sha256")[:_KEY_BYTES]
