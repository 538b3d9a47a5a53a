"""A password check, throttled and counted."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from services.auth.ports import Metrics, Throttle
from shared.errors import InvalidInput, TooManyRequests, Unauthenticated


class WrongCredentials(Unauthenticated):
    """The same for an unknown user and a wrong password."""

    code = "wrong_credentials"


class WrongPassword(InvalidInput):
    code = "wrong_password"


class PasswordChecks:
    """Throttles attempts by client and account."""

    def __init__(self, throttle: Throttle, metrics: Metrics) -> None:
        self._throttle = throttle
        self._metrics = metrics

    @asynccontextmanager
    async def attempt(self, client: str, account: str) -> AsyncGenerator[None]:
        """Enter this around a password check. Raises TooManyRequests.

        WrongCredentials and WrongPassword use the attempt up; other errors give it back.
        """
        try:
            await self._throttle.attempt(client, account)
        except TooManyRequests:
            self._metrics.throttled()
            raise
        try:
            yield
        except (WrongCredentials, WrongPassword):
            raise
        except Exception:
            await self._throttle.undecided(client, account)
            raise
        await self._throttle.succeeded(client, account)
