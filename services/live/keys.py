"""Stream keys: what a publisher shows, and what is stored of it."""

import hashlib
import re
import secrets
from typing import Final

_BYTES: Final = 20
_PREFIX: Final = "live_"
_KEY: Final = re.compile(rf"{_PREFIX}[0-9a-f]{{{2 * _BYTES}}}\Z")


def new_key() -> str:
    """A key with 160 random bits, in characters that no program and no shell changes."""
    return _PREFIX + secrets.token_hex(_BYTES)


def is_key(text: str) -> bool:
    """Whether a text looks as a stream key does."""
    return _KEY.match(text) is not None


def key_hash(key: str) -> str:
    """SHA-256 in hex. Rows are found by it, so how long that takes says nothing of a key."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
