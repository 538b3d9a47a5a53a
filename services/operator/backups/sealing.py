"""Encrypts the files of backups: AES-256-GCM in frames, so that a stream takes bounded memory.

A file is a header (magic, the key's id, a salt) and frames of 256 KiB. Its key is derived from the
salt. A frame's nonce is its number and whether it is the last, and its name is authenticated with
it: a frame that is changed, missing, moved or of another file is found.
"""

import base64
import binascii
import hmac
import os
from collections.abc import AsyncIterable, AsyncIterator
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.errors import Conflict

FRAME: Final = 256 * 1024
"""Bytes of plain text in one frame."""
_TAG: Final = 16
_MAGIC: Final = b"CINELOG1"
_ID: Final = 8
_SALT: Final = 32
_HEADER: Final = len(_MAGIC) + _ID + _SALT
_KEY_BYTES: Final = 32


class WrongKey(Conflict):
    """A file was sealed with another key, which ``key_id`` names."""

    code = "wrong_key"

    def __init__(self, name: str, key_id: str, given: str) -> None:
        super().__init__(f"{name} was sealed with the key {key_id}; the key given is {given}.")
        self.key_id = key_id


class Damaged(Conflict):
    """A file of a backup is missing, or not what was written."""

    code = "backup_damaged"


def parse_key(text: str) -> bytes:
    """The key in the form that ``openssl rand -base64 32`` prints. Raises ValueError."""
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ValueError("must be 32 random bytes in base64: openssl rand -base64 32")
    return key


def sealed_size(size: int) -> int:
    """The bytes that a file of ``size`` bytes takes when it is sealed."""
    frames = max(1, -(-size // FRAME))
    return _HEADER + size + frames * _TAG


class Sealer:
    """Seals and opens files with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._id = self._derived(b"id", b"")[:_ID]
        self._names = self._derived(b"names", b"")
        self._manifests = self._derived(b"manifests", b"")

    @property
    def key_id(self) -> str:
        """Says which key it is, and nothing about it."""
        return self._id.hex()

    def name_of(self, *parts: str) -> str:
        """A name that tells nothing about what it stands for."""
        text = "\0".join(parts).encode()
        return hmac.digest(self._names, text, "sha256").hex()

    def signature(self, data: bytes) -> str:
        """Of a manifest, which is not encrypted."""
        return hmac.digest(self._manifests, data, "sha256").hex()

    def check_key(self, name: str, key_id: str) -> None:
        """Raises WrongKey where a file was sealed with another key than this one."""
        if key_id != self.key_id:
            raise WrongKey(name, key_id, self.key_id)

    async def seal(self, name: str, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """The bytes of the file ``name`` whose plain text is ``chunks``."""
        salt = os.urandom(_SALT)
        cipher = AESGCM(self._derived(b"file", salt))
        yield _MAGIC + self._id + salt
        number = 0
        async for block, last in _blocks(chunks, FRAME):
            yield cipher.encrypt(_nonce(number, last=last), block, name.encode())
            number += 1

    async def open(self, name: str, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """The plain text of the file ``name``. Raises WrongKey, Damaged.

        What was yielded is authentic; it is complete when the iterator ends.
        """
        source = aiter(chunks)
        begin = bytearray()
        while len(begin) < _HEADER:
            chunk = await anext(source, b"")
            if not chunk:
                break
            begin += chunk
        cipher = self._cipher(name, bytes(begin[:_HEADER]))
        number = 0
        async for block, last in _blocks(_continued(begin[_HEADER:], source), FRAME + _TAG):
            try:
                yield cipher.decrypt(_nonce(number, last=last), block, name.encode())
            except InvalidTag:
                raise Damaged(f"{name} is damaged in its frame {number}") from None
            number += 1

    def _cipher(self, name: str, header: bytes) -> AESGCM:
        if len(header) != _HEADER or not header.startswith(_MAGIC):
            raise Damaged(f"{name} does not begin as a file of a backup does")
        self.check_key(name, header[len(_MAGIC) : len(_MAGIC) + _ID].hex())
        return AESGCM(self._derived(b"file", header[-_SALT:]))

    def _derived(self, purpose: bytes, salt: bytes) -> bytes:
        derivation = HKDF(SHA256(), _KEY_BYTES, salt or None, b"cinelog backup " + purpose)
        return derivation.derive(self._key)


async def _continued(begin: bytes | bytearray, rest: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    yield bytes(begin)
    async for chunk in rest:
        yield chunk


async def _blocks(chunks: AsyncIterable[bytes], size: int) -> AsyncIterator[tuple[bytes, bool]]:
    """Blocks of ``size`` bytes and whether each is the last, which may be shorter or empty."""
    kept = bytearray()
    async for chunk in chunks:
        kept += chunk
        at = 0
        while len(kept) - at > size:
            yield bytes(kept[at : at + size]), False
            at += size
        del kept[:at]
    yield bytes(kept), True


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
