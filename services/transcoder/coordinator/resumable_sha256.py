"""SHA-256 whose state can be kept, so that another process can go on with it.

hashlib does not give its state away. OpenSSL's older functions, from the library that hashlib uses
too, keep it in a structure of their caller.
"""

import ctypes
import hashlib
import struct
from functools import cache
from typing import Final

# The state is complete without further bytes after each block of the algorithm.
BLOCK: Final = 64

# Eight words of 32 bits, then the number of bytes so far.
_KEPT: Final = struct.Struct(">8IQ")
_DIGEST_BYTES: Final = 32


class _Context(ctypes.Structure):
    """SHA256_CTX of openssl/sha.h."""

    _fields_ = (
        ("words", ctypes.c_uint32 * 8),
        ("bits_low", ctypes.c_uint32),
        ("bits_high", ctypes.c_uint32),
        ("rest", ctypes.c_uint32 * 16),
        ("rest_bytes", ctypes.c_uint),
        ("digest_bytes", ctypes.c_uint),
    )


class ResumableSha256:
    """Like ``hashlib.sha256()``; begins where ``kept`` of another one ended."""

    def __init__(self, kept: bytes | None = None) -> None:
        library = _library()
        if library is None:
            raise RuntimeError("can_resume() says whether this works")
        self._library = library
        self._context = _Context()
        self._size = 0
        library.SHA256_Init(ctypes.byref(self._context))
        if kept is not None:
            *words, self._size = _KEPT.unpack(kept)
            self._context.words[:] = words
            bits = 8 * self._size
            self._context.bits_low, self._context.bits_high = bits & 0xFFFFFFFF, bits >> 32

    def update(self, data: bytes, /) -> None:
        """Add bytes."""
        self._library.SHA256_Update(
            ctypes.byref(self._context), ctypes.c_char_p(data), ctypes.c_size_t(len(data))
        )
        self._size += len(data)

    def hexdigest(self) -> str:
        """The hash of all bytes so far; more may follow."""
        context = _Context.from_buffer_copy(self._context)
        digest = ctypes.create_string_buffer(_DIGEST_BYTES)
        self._library.SHA256_Final(digest, ctypes.byref(context))
        return digest.raw.hex()

    def kept(self) -> bytes:
        """The state after a whole number of blocks. Raises ValueError elsewhere."""
        if self._size % BLOCK:
            raise ValueError(f"{self._size} bytes are no whole number of blocks")
        return _KEPT.pack(*self._context.words, self._size)


def can_resume() -> bool:
    """Whether this Python has an OpenSSL that gives the state away."""
    return _library() is not None


@cache
def _library() -> ctypes.CDLL | None:
    """OpenSSL as hashlib has loaded it, if it agrees with hashlib on a hash that was resumed."""
    try:
        import _hashlib  # noqa: PLC0415 - some builds of Python have no OpenSSL

        library = ctypes.CDLL(getattr(_hashlib, "__file__", None))
        return library if _agrees(library) else None
    except (ImportError, OSError, AttributeError):
        return None


def _agrees(library: ctypes.CDLL) -> bool:
    first, second = bytes(range(256)), b"the rest"
    context, resumed = _Context(), _Context()
    digest = ctypes.create_string_buffer(_DIGEST_BYTES)
    library.SHA256_Init(ctypes.byref(context))
    library.SHA256_Init(ctypes.byref(resumed))
    library.SHA256_Update(ctypes.byref(context), first, ctypes.c_size_t(len(first)))
    resumed.words[:] = context.words[:]
    resumed.bits_low = 8 * len(first)
    library.SHA256_Update(ctypes.byref(resumed), second, ctypes.c_size_t(len(second)))
    library.SHA256_Final(digest, ctypes.byref(resumed))
    return digest.raw == hashlib.sha256(first + second).digest()
