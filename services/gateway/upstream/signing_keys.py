"""The keys that addresses of objects are signed with.

Without keys of the settings they are those of the surroundings, where AWS' SDK looks: a pod's
service account, a container's agent, the machine. These end within hours; others are asked for in
time, beside the requests.
"""

import asyncio
from typing import Final

from botocore.credentials import Credentials, ReadOnlyCredentials

from shared.settings import SettingsError

# Seconds between two looks; the SDK asks for new keys when the old ones last 15 minutes more.
RENEW_SECONDS: Final = 60.0


class SigningKeys:
    """``current`` is a new object only when the keys are others."""

    def __init__(self, source: Credentials) -> None:
        self._source = source
        self.current: ReadOnlyCredentials = source.get_frozen_credentials()

    async def renew(self) -> None:
        """Take what the surroundings have by now."""
        found = await asyncio.to_thread(self._source.get_frozen_credentials)
        if found != self.current:
            self.current = found


async def signing_keys(access_key: str | None, secret_key: str | None) -> SigningKeys:
    """These keys, or those of the surroundings. Raises SettingsError where there are none."""
    if access_key is not None and secret_key is not None:
        return SigningKeys(Credentials(access_key, secret_key))
    return await asyncio.to_thread(_borrowed)


def _borrowed() -> SigningKeys:
    from botocore.session import Session  # noqa: PLC0415 - only here, and it takes a moment

    source = Session().get_credentials()
    if source is None:
        raise SettingsError("S3_ACCESS_KEY is not set, and neither pod nor machine has keys for S3")
    return SigningKeys(source)
