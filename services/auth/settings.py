"""Auth's environment."""

from typing import Annotated

import msgspec

from shared.settings import Address, Key, Secret, Settings


class AuthSettings(Settings, frozen=True, kw_only=True):
    """``signing_key_secret`` decrypts the private keys in auth's table: they are lost without it.

    ``login_burst`` failed logins are free, then one per ``login_refill_seconds``. Pages of
    ``cors_origins`` may keep their refresh token in a cookie, as those of the product may.
    """

    bind: Address
    database_url: Secret
    redis_url: Secret
    signing_key_secret: Key
    jwt_issuer: str
    jwt_audience: str
    refresh_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 30
    login_burst: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 3
    cors_origins: tuple[str, ...] = ()
    login_refill_seconds: Annotated[float, msgspec.Meta(ge=0.1, le=3600)] = 20
