"""Media grants: signed, expiring tokens in URLs that allow a GET of one video's files.

Format: ``<expires>.<mac>``. ``expires`` is in Unix seconds, in hex; ``mac`` is an HMAC-SHA256 over
purpose, video and time, in base64url without padding. A grant does not identify a user.
"""

import base64
import hashlib
import hmac
from typing import Final

_PURPOSE: Final = b"cinelog media grant v1"
_MAX_LENGTH: Final = 80


def grant(secret: str, video_id: str, expires_at: int) -> str:
    """A token for ``video_id`` until ``expires_at`` (Unix seconds)."""
    return f"{expires_at:x}.{_mac(secret, video_id, expires_at)}"


def check(secret: str, token: str, video_id: str, now: float) -> bool:
    """Whether ``token`` is a valid grant for ``video_id`` at ``now`` (Unix seconds)."""
    expires, _, mac = token.partition(".")
    if len(token) > _MAX_LENGTH or not mac.isascii():
        return False
    try:
        expires_at = int(expires, 16)
    except ValueError:
        return False
    genuine = hmac.compare_digest(mac, _mac(secret, video_id, expires_at))
    return genuine and expires == f"{expires_at:x}" and now < expires_at


def _mac(secret: str, video_id: str, expires_at: int) -> str:
    message = b"\0".join((_PURPOSE, video_id.encode(), str(expires_at).encode()))
    digest = hmac.new(secret.encode(), message, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
