"""A password check, throttled and counted."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from services.auth.ports import Caller, Metrics, Throttle
from shared.errors import InvalidInput, TooManyRequests, Unauthenticated


class WrongCredentials(Unauthenticated):
    """The same for an unknown user and a wrong password."""

    code = "wrong_credentials"


class WrongPassword(InvalidInput):
    code = "wrong_password"


class PasswordChecks:
    """Throttles attempts by device, client and account."""

    def __init__(self, throttle: Throttle, metrics: Metrics) -> None:
        self._throttle = throttle
        self._metrics = metrics

    @asynccontextmanager
    async def attempt(self, caller: Caller, user_id: str | None, name: str) -> AsyncGenerator[None]:
        """Enter this around a password check. Raises TooManyRequests.

        ``user_id`` is None where no account has the name. WrongCredentials and WrongPassword use
        the attempt up; other errors give it back.
        """
        account = f"name:{name}" if user_id is None else f"user:{user_id}"
        device = _known_device(caller, user_id)
        try:
            await self._throttle.attempt(caller.client, account, device)
        except TooManyRequests:
            self._metrics.throttled()
            raise
        try:
            yield
        except (WrongCredentials, WrongPassword):
            raise
        except Exception:
            await self._throttle.undecided(caller.client, account, device)
            raise
        await self._throttle.succeeded(caller.client, account, device)

    async def remember(self, caller: Caller, user_id: str) -> None:
        """The account was made by this caller, who therefore knows its password."""
        await self._throttle.remember(caller.client, f"user:{user_id}")


def _known_device(caller: Caller, user_id: str | None) -> str:
    """The id of the caller's device where this user has logged in on it before, else ""."""
    device = caller.device
    return device.device_id if device and user_id and device.knows(user_id) else ""
