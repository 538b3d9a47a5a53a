"""Access tokens: what is accepted, what is not, and what is remembered."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.auth.signing_keys import public_jwk
from shared.errors import Unavailable
from shared.http import access_tokens
from shared.http.access_tokens import InvalidToken, Verifier, bearer_token
from shared.http.jwks import Jwk, KeyDocument, Keys, parse_keys

ISSUER, AUDIENCE = "https://auth.test", "cinelog-test"
KEY = ec.generate_private_key(ec.SECP256R1())
JWK = public_jwk(KEY)


class Source:
    """Keys as the test wants them."""

    def __init__(self, *keys: Jwk, revoked: tuple[str, ...] = ()) -> None:
        self.current: Keys | None = parse_keys(KeyDocument(keys=keys, revoked_sessions=revoked))
        self.next: Keys | None = None
        self.refetches = 0

    async def refetch(self) -> None:
        self.refetches += 1
        if self.next is not None:
            self.current = self.next

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        yield


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    base = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "user-1",
        "username": "alice",
        "sid": "session-1",
        "jti": "token-1",
        "iat": now,
        "nbf": now,
        "exp": now + 900,
    }
    return {name: value for name, value in {**base, **changes}.items() if value is not None}


def token(
    payload: dict[str, Any] | None = None,
    key: Any = KEY,
    algorithm: str = "ES256",
    **headers: Any,
) -> str:
    header = {"kid": JWK.kid, "typ": "at+jwt", **headers}
    return jwt.encode(payload or claims(), key, algorithm=algorithm, headers=header)


def verifier(source: Source | None = None, **options: Any) -> Verifier:
    return Verifier(source or Source(JWK), issuer=ISSUER, audience=AUDIENCE, **options)


async def test_a_good_token_names_its_caller() -> None:
    principal = await verifier().verify(token())
    assert (principal.user_id, principal.username) == ("user-1", "alice")
    assert (principal.session_id, principal.token_id) == ("session-1", "token-1")


def part(data: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


def unsigned(algorithm: str) -> str:
    header = {"alg": algorithm, "typ": "at+jwt", "kid": JWK.kid}
    return f"{part(header)}.{part(claims())}."


def signed_with_the_public_key() -> str:
    """HS256 over the published key: works where the verifier lets the token pick the algorithm."""
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = part({"alg": "HS256", "typ": "at+jwt", "kid": JWK.kid})
    body = f"{head}.{part(claims())}"
    mac = hmac.new(public, body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def signed_with_rsa() -> str:
    return token(key=rsa.generate_private_key(65537, 2048), algorithm="RS256")


def tampered() -> str:
    head, _, signature = token().split(".")
    return f"{head}.{part(claims(sub='somebody-else'))}.{signature}"


ATTACKS = {
    "none": lambda: unsigned("none"),
    "None": lambda: unsigned("None"),
    "es256 without a signature": lambda: unsigned("ES256"),
    "hs256 with the public key": signed_with_the_public_key,
    "rs256": signed_with_rsa,
    "foreign key": lambda: token(key=ec.generate_private_key(ec.SECP256R1())),
    "foreign key with its own jwk": lambda: token(
        key=ec.generate_private_key(ec.SECP256R1()), jwk={"kty": "EC"}, jku="http://evil.test"
    ),
    "kid traversal": lambda: token(kid="../../../../dev/null"),
    "kid as sql": lambda: token(kid="' or 1=1 --"),
    "kid too long": lambda: token(kid="k" * 1000),
    "no kid": lambda: token(kid=""),
    "another type of token": lambda: token(typ="JWT"),
    "tampered": tampered,
    "expired": lambda: token(claims(exp=int(time.time()) - 60)),
    "not yet valid": lambda: token(claims(nbf=int(time.time()) + 60)),
    "wrong issuer": lambda: token(claims(iss="https://other.test")),
    "wrong audience": lambda: token(claims(aud="other")),
    "empty subject": lambda: token(claims(sub="")),
    "subject is no text": lambda: token(claims(sub=["user-1"])),
    "session is no text": lambda: token(claims(sid=7)),
    "endless": lambda: token(claims(exp=1e400)),
    "truncated": lambda: token()[:-8],
    "two parts": lambda: token().rpartition(".")[0],
    "no token": lambda: "",
    "dots": lambda: "..",
    "binary": lambda: "\x00\xff.é.ü",
    "huge": lambda: token(claims(username="a" * 5000)),
    "huge and meaningless": lambda: "a" * 1_000_000,
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
async def test_what_is_not_ours_is_refused(attack: Any) -> None:
    with pytest.raises(InvalidToken):
        await verifier().verify(attack())


@pytest.mark.parametrize(
    "name", ["iss", "aud", "sub", "sid", "jti", "exp", "nbf", "iat", "username"]
)
async def test_every_claim_is_needed(name: str) -> None:
    with pytest.raises(InvalidToken):
        await verifier().verify(token(claims(**{name: None})))


async def test_clocks_may_differ_a_little() -> None:
    now = int(time.time())
    slightly_off = token(claims(nbf=now + 5, iat=now + 5, exp=now - 5))
    assert (await verifier().verify(slightly_off)).user_id == "user-1"


async def test_a_verified_token_is_remembered_but_not_longer_than_it_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checker, good = verifier(), token()
    assert checker.cached(good) is None
    principal = await checker.verify(good)
    assert checker.cached(good) is principal
    assert await checker.verify(good) is principal
    later = time.time() + 1000
    monkeypatch.setattr(access_tokens.time, "time", lambda: later)
    assert checker.cached(good) is None


async def test_the_memory_is_bounded() -> None:
    checker = verifier(cache_size=3)
    tokens = [token(claims(jti=str(n))) for n in range(5)]
    for one in tokens:
        await checker.verify(one)
    assert [checker.cached(one) is not None for one in tokens] == [False, False, True, True, True]


async def test_an_ended_session_is_refused_even_if_remembered() -> None:
    source = Source(JWK)
    checker, good = verifier(source), token()
    await checker.verify(good)
    source.current = parse_keys(KeyDocument(keys=(JWK,), revoked_sessions=("session-1",)))
    with pytest.raises(InvalidToken):
        await checker.verify(good)
    assert checker.cached(good) is None


async def test_a_withdrawn_key_vouches_for_nothing_any_more() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    source = Source(JWK, public_jwk(other))
    checker, good = verifier(source), token()
    await checker.verify(good)
    source.current = parse_keys(KeyDocument(keys=(public_jwk(other),)))
    assert checker.cached(good) is None
    with pytest.raises(InvalidToken):
        await checker.verify(good)


async def test_a_new_key_is_fetched_when_a_token_names_it() -> None:
    fresh = ec.generate_private_key(ec.SECP256R1())
    source = Source(JWK)
    source.next = parse_keys(KeyDocument(keys=(JWK, public_jwk(fresh))))
    principal = await verifier(source).verify(token(key=fresh, kid=public_jwk(fresh).kid))
    assert (principal.user_id, source.refetches) == ("user-1", 1)


async def test_without_any_key_the_answer_is_not_yes_and_not_no() -> None:
    source = Source()
    source.current = None
    with pytest.raises(Unavailable):
        await verifier(source).verify(token())


def test_only_es256_signing_keys_are_used() -> None:
    odd = [
        Jwk(kid="alg", x=JWK.x, y=JWK.y, alg="none"),
        Jwk(kid="kty", x=JWK.x, y=JWK.y, kty="oct"),
        Jwk(kid="use", x=JWK.x, y=JWK.y, use="enc"),
        Jwk(kid="off the curve", x=JWK.x, y=JWK.x),
        Jwk(kid="no point", x="AA", y="AA"),
    ]
    assert set(parse_keys(KeyDocument(keys=(JWK, *odd))).public) == {JWK.kid}


def test_the_authorization_header() -> None:
    assert bearer_token(None) is None
    assert bearer_token("Bearer abc") == "abc"
    assert bearer_token("bearer  abc ") == "abc"
    for bad in ("", "Bearer", "Bearer ", "Basic abc", "Bearer a b", "abc"):
        with pytest.raises(InvalidToken):
            bearer_token(bad)
