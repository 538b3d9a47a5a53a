"""Certificates that a test signs itself."""

import datetime
from collections.abc import Sequence
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def self_signed(
    name: str,
    *,
    hosts: Sequence[str] = (),
    addresses: Sequence[str] = (),
    authority: bool = False,
    days: int = 1,
) -> tuple[bytes, bytes]:
    """A certificate and its key, as PEM.

    ``hosts`` and ``addresses``: whom it names. ``authority``: it may vouch for itself.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
    )
    named: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
    named += [x509.IPAddress(ip_address(address)) for address in addresses]
    if named:
        builder = builder.add_extension(x509.SubjectAlternativeName(named), critical=False)
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    made = builder.sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM), private
