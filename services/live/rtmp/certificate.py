"""The certificate of RTMPS, which is read again when its files change."""

import ssl
from pathlib import Path
from typing import Final

from shared.telemetry import get_logger

_log = get_logger(__name__)

_Version = tuple[tuple[int, int], ...]


class CertificateError(Exception):
    """The files hold no certificate with its key; the text says which, and why."""


class Certificate:
    """``chain`` and ``key``: files in PEM. Raises CertificateError where they cannot be used."""

    def __init__(self, chain: Path, key: Path) -> None:
        self._chain = chain
        self._key = key
        self._version = self._files()
        self.context: Final = self._read()
        """For a listener. Its certificate is replaced in place: who connects gets the new one."""

    def refresh(self) -> bool:
        """Whether the files have changed and were read. While they cannot be used, such as in the
        middle of a change, the certificate of before stays."""
        try:
            version = self._files()
            if version == self._version:
                return False
            # Read apart first: a chain whose key does not fit would spoil the context in use.
            self._read()
            self.context.load_cert_chain(self._chain, self._key)
        except (CertificateError, OSError) as error:
            _log.warning("the certificate of RTMPS cannot be read", error=str(error))
            return False
        self._version = version
        _log.info("the certificate of RTMPS was read")
        return True

    def _files(self) -> _Version:
        """What tells versions of the files apart, also where a link leads to others."""
        try:
            found = [path.stat() for path in (self._chain, self._key)]
        except OSError as error:
            raise CertificateError(str(error)) from error
        return tuple((stat.st_ino, stat.st_mtime_ns) for stat in found)

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self._chain, self._key)
        except (OSError, ssl.SSLError) as error:
            raise CertificateError(f"{self._chain}, {self._key}: {error}") from error
        return context
