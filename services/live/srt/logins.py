"""What a publisher by SRT names itself by, and what it encrypts with.

Whoever is on the way can read a stream id, so what encrypts names not the stream key but the key's
hash, which opens nothing else. The passphrase is computed from it with a secret of the
installation: nothing more is stored, and libsrt's thread, which all handshakes wait for, asks no
table. A new key has another stream id and another passphrase; those of the old one are refused like
the old one.

The stream key itself, unencrypted, is taken as well where the installation allows it: it is what
people know from RTMP, where it crosses the network in the clear, too.
"""

import hashlib
import hmac
import re
from typing import Final

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.live.keys import is_key, key_hash
from services.live.ports import Credential, KeyHash
from services.live.srt.listening import Rejected
from services.live.srt.stream_id import resource_of

# 128 bits, as many as SRT encrypts with by default.
_PASSPHRASE_DIGITS: Final = 32
_HASH: Final = re.compile(r"[0-9a-f]{64}\Z")
# 1000 and an HTTP status: SRT's access control, "rejection codes".
_BAD_REQUEST: Final = Rejected(1400)


class SrtLogin(msgspec.Struct, frozen=True):
    """What a stream key is by SRT."""

    stream_id: str
    passphrase: str

    def __repr__(self) -> str:
        return "SrtLogin(***)"


class Claim(msgspec.Struct, frozen=True):
    """What a stream id opens, for who encrypts with ``passphrase``; None: for who does not."""

    credential: Credential
    passphrase: str | None


class SrtLogins:
    """``secret``: SIMULCAST_KEY, of which the passphrases are computed. ``plain_keys``: whether a
    stream key may be sent unencrypted."""

    def __init__(self, secret: str, *, plain_keys: bool) -> None:
        self._plain_keys = plain_keys
        self._secret = HKDF(SHA256(), 32, None, b"cinelog srt passphrases v1").derive(
            secret.encode()
        )

    def of_key(self, key: str) -> SrtLogin:
        """What its publisher is told."""
        name = key_hash(key)
        return SrtLogin(name, self._passphrase(name))

    def claimed(self, stream_id: str) -> Claim | Rejected:
        """Whether anybody has this stream id is not known here: all look alike to who guesses."""
        name = resource_of(stream_id)
        if name is not None and self._plain_keys and is_key(name):
            return Claim(KeyHash(key_hash(name)), None)
        if name is None or _HASH.match(name) is None:
            return _BAD_REQUEST
        return Claim(KeyHash(name), self._passphrase(name))

    def _passphrase(self, name: str) -> str:
        digest = hmac.new(self._secret, name.encode(), hashlib.sha256).hexdigest()
        return digest[:_PASSPHRASE_DIGITS]
