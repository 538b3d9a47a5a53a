"""Encrypts the stream keys of simulcast targets for the table."""

import hashlib
import hmac
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE: Final = 12


class Unsealable(Exception):
    """SIMULCAST_KEY is not the one that the target's key was encrypted with."""


class Sealer:
    """``secret``: SIMULCAST_KEY. A sealed key opens for its own target alone."""

    def __init__(self, secret: str) -> None:
        derived = HKDF(SHA256(), 32, None, b"cinelog simulcast keys v1").derive(secret.encode())
        self._cipher = AESGCM(derived)
        self._secret = derived

    def seal(self, target_id: str, key: str) -> bytes:
        """Nonce and ciphertext."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, key.encode(), target_id.encode())

    def mark(self, text: str) -> str:
        """A fingerprint that nobody can compute without the secret."""
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()

    def open(self, target_id: str, sealed: bytes) -> str:
        """Raises Unsealable."""
        try:
            plain = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], target_id.encode())
        except InvalidTag:
            raise Unsealable from None
        return plain.decode()
