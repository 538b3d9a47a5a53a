"""Stream keys: what a publisher shows, and what is stored of it."""

import hashlib
import secrets
from typing import Final

_BYTES: Final = 20
_PREFIX: Final = "live_"


def new_key() -> str:
    """A key with 160 random bits, in characters that no program and no shell changes."""
    return _PREFIX + secrets.token_hex(_BYTES)


def key_hash(key: str) -> str:
    """SHA-256 in hex. Rows are found by it, so how long that takes says nothing of a key."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
