"""Media grants: signed, expiring tokens in URLs that allow a GET of one video's files.

Format: ``<expires>.<session>.<mac>``. ``expires`` is in Unix seconds, in hex; ``session`` is the
id of the session for which it was made, with which it ends; ``mac`` is an HMAC-SHA256 over purpose,
video, session and time, in base64url without padding.
"""

import base64
import hashlib
import hmac
import re
from typing import Final

_PURPOSE: Final = b"cinelog media grant v2"
_MAX_LENGTH: Final = 160
_SESSION: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


def grant(secret: str, video_id: str, session_id: str, expires_at: int) -> str:
    """A token for ``video_id`` until ``expires_at`` (Unix seconds), or the end of the session."""
    return f"{expires_at:x}.{session_id}.{_mac(secret, video_id, session_id, expires_at)}"


def check(secret: str, token: str, video_id: str, now: float) -> str | None:
    """The id of the session of a valid grant for ``video_id`` at ``now`` (Unix seconds).

    None where the grant is not valid. Whether the session is open is another question.
    """
    expires, _, rest = token.partition(".")
    session_id, _, mac = rest.partition(".")
    if len(token) > _MAX_LENGTH or not mac.isascii() or not _SESSION.fullmatch(session_id):
        return None
    try:
        expires_at = int(expires, 16)
    except ValueError:
        return None
    genuine = hmac.compare_digest(mac, _mac(secret, video_id, session_id, expires_at))
    valid = genuine and expires == f"{expires_at:x}" and now < expires_at
    return session_id if valid else None


def _mac(secret: str, video_id: str, session_id: str, expires_at: int) -> str:
    said = (_PURPOSE, video_id.encode(), session_id.encode(), str(expires_at).encode())
    digest = hmac.new(secret.encode(), b"\0".join(said), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
