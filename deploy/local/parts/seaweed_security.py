"""What SeaweedFS's parts ask of each other: signed requests over HTTP, certificates over gRPC.

Without them, whoever reaches a port of the loopback interface can read, replace and delete every
object: another user of the machine, a page in a browser, or a webhook.
"""

import hashlib
import hmac
import json
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_ROLES: Final = ("master", "volume", "filer", "s3", "client")
_HTTPS: Final = ("master", "volume", "filer")
_ADDRESS: Final = x509.IPAddress(ip_address("127.0.0.1"))
_KEYS: Final = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
_VALID: Final = timedelta(days=3650)


def write_security(folder: Path, secret: str) -> ssl.SSLContext:
    """Write ``security.toml`` and a certificate to a folder; returns what a client needs.

    Keys derive from ``secret``. The certificate signs itself, and is the only one that is accepted.
    """
    certificate, key = folder / "part.crt", folder / "part.key"
    context = _context(certificate, key)
    if context is None:
        made = _certificate()
        _write(certificate, made[0])
        _write(key, made[1])
        context = _context(certificate, key)
    if context is None:
        raise ValueError("the certificate of SeaweedFS's parts cannot be used")
    sections = [
        f"[{name}]\nkey = {json.dumps(_derived(secret, name))}\nexpires_after_seconds = 60\n"
        for name in _KEYS
    ]
    authority = f"ca = {json.dumps(str(certificate))}\n"
    pair = f"cert = {json.dumps(str(certificate))}\nkey = {json.dumps(str(key))}\n"
    sections.append(f"[grpc]\n{authority}")
    sections += [f"[grpc.{role}]\n{pair}" for role in _ROLES]
    # Over plain HTTP the master signs writes for whoever asks, and deletes collections; the volume
    # server tells buckets, sizes and free space.
    sections += [f"[https.{role}]\n{pair}{authority}" for role in _HTTPS]
    sections.append(f"[https.client]\nenabled = true\n{pair}{authority}")
    sections.append("[filer.expose_directory_metadata]\nenabled = false\n")
    _write(folder / "security.toml", "\n".join(sections).encode())
    return context


def _context(certificate: Path, key: Path) -> ssl.SSLContext | None:
    """A client with the certificate.

    None where it is missing, damaged, not valid yet, about to expire or without the address.
    """
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        context = ssl.create_default_context(cafile=certificate)
        context.load_cert_chain(certificate, key)
    except (OSError, ValueError, x509.ExtensionNotFound):
        return None
    now = datetime.now(UTC)
    # One of a clock that was ahead is not valid yet.
    valid = found.not_valid_before_utc <= now < found.not_valid_after_utc - timedelta(days=90)
    return context if valid and _ADDRESS in names else None


def _derived(secret: str, purpose: str) -> str:
    return hmac.new(secret.encode(), f"seaweedfs {purpose}".encode(), hashlib.sha256).hexdigest()


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(content)


def _certificate() -> tuple[bytes, bytes]:
    """A certificate and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cinelog-seaweedfs")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # The machine's clock may be set back.
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([_ADDRESS]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return made.public_bytes(serialization.Encoding.PEM), private
