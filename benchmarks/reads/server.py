"""One catalog process: prints its address and a token, ends when its standard input closes.

Of whichever checkout it runs in: it uses nothing but what is in all of them.
"""

import asyncio
import json
import sys
import time
import uuid
from contextlib import AsyncExitStack

import jwt
import uvloop
from cryptography.hazmat.primitives.asymmetric import ec

from services.catalog.main import compose_api
from services.catalog.settings import ApiSettings
from shared.host.host import open_host
from shared.http.identity import Verifier
from shared.http.server import serving
from shared.settings import Address, Key, Secret
from tests.integration.catalog.stage import AUDIENCE, GRANT_SECRET, ISSUER, FixedKeys
from tests.support.processes import working


async def serve(url: str, port: int, user_id: str) -> None:
    """Serve until standard input closes."""
    key = ec.generate_private_key(ec.SECP256R1())
    verifier = Verifier(FixedKeys(key.public_key()), issuer=ISSUER, audience=AUDIENCE)
    config = ApiSettings(
        cinelog_mode="local",
        database_url=Secret(url),
        bind=Address("127.0.0.1", port),
        jwks_url="http://127.0.0.1:9",
        jwt_issuer=ISSUER,
        jwt_audience=AUDIENCE,
        media_grant_secret=Key(GRANT_SECRET),
        auth_url="http://127.0.0.1:9",
        s3_endpoint="http://127.0.0.1:9",
        s3_access_key="",
        s3_secret_key=Secret(""),
        s3_media_bucket="none",
        public_url="https://cinelog.test",
    )
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(open_host())
        process = await compose_api(config, host, verifier=verifier)
        served = process.servers[0]
        await stack.enter_async_context(serving(served.app, served.bind, drain_seconds=0))
        await stack.enter_async_context(working(process))
        sys.stdout.write(json.dumps({"token": token(key, user_id)}) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.buffer.read)


def token(key: ec.EllipticCurvePrivateKey, user_id: str) -> str:
    """An access token of a user for the next hour."""
    now = int(time.time())
    claims = {
        **{"iss": ISSUER, "aud": AUDIENCE, "sub": user_id, "username": "somebody"},
        **{"sid": str(uuid.uuid4()), "jti": str(uuid.uuid4())},
        **{"iat": now, "nbf": now, "exp": now + 3600},
    }
    return jwt.encode(claims, key, algorithm="ES256", headers={"kid": "test", "typ": "at+jwt"})


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
