"""Signing keys: sealed, named, published before use and after."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from services.auth.signing_keys import (
    LEAD,
    Sealer,
    StoredKey,
    WrongKeySecret,
    current,
    public_jwk,
    still_needed,
)
from services.auth.tokens import ACCESS_LIFETIME

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "one secret of thirty-two characters"
PRIVATE = ec.generate_private_key(ec.SECP256R1())


def key(active_at: datetime) -> StoredKey:
    private = ec.generate_private_key(ec.SECP256R1())
    return StoredKey(public_jwk(private), private, active_at - LEAD, active_at)


def test_a_sealed_key_opens_with_its_secret_and_name_only() -> None:
    sealed = Sealer(SECRET).seal("kid", PRIVATE)
    opened = Sealer(SECRET).open("kid", sealed)
    assert opened.private_numbers() == PRIVATE.private_numbers()
    for secret, kid, data in (
        (SECRET + "!", "kid", sealed),
        (SECRET, "other", sealed),
        (SECRET, "kid", sealed[:-1] + bytes([sealed[-1] ^ 1])),
    ):
        with pytest.raises(WrongKeySecret):
            Sealer(secret).open(kid, data)


def test_a_sealed_key_shows_nothing_and_is_never_the_same() -> None:
    value = PRIVATE.private_numbers().private_value.to_bytes(32, "big")
    first, second = (Sealer(SECRET).seal("kid", PRIVATE) for _ in range(2))
    assert value not in first
    assert first != second


def test_the_name_is_the_thumbprint() -> None:
    assert public_jwk(PRIVATE) == public_jwk(PRIVATE)
    assert len(public_jwk(PRIVATE).kid) == 43


def test_a_key_signs_when_its_time_has_come() -> None:
    old, new = key(NOW - timedelta(days=30)), key(NOW + LEAD)
    assert current([old, new], NOW) is old
    assert current([old, new], NOW + LEAD - timedelta(seconds=1)) is old
    assert current([old, new], NOW + LEAD) is new
    assert current([new], NOW) is new


def test_an_old_key_stays_until_its_tokens_are_dead() -> None:
    old, new = key(NOW - timedelta(days=30)), key(NOW)
    assert still_needed([old, new], NOW) == [old, new]
    assert still_needed([old, new], NOW + ACCESS_LIFETIME) == [old, new]
    assert still_needed([old, new], NOW + 2 * ACCESS_LIFETIME) == [new]
    assert still_needed([old], NOW + timedelta(days=900)) == [old]
