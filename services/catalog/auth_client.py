"""Client of auth: the caller's e-mail address."""

from typing import Final

import httpx
import msgspec

from shared.telemetry import current_traceparent, get_logger

_TIMEOUT: Final = httpx.Timeout(2.0)
_log = get_logger(__name__)


class _Me(msgspec.Struct):
    email: str | None = None


class _Answer(msgspec.Struct):
    data: _Me


class AuthClient:
    """Asks auth over HTTP with the caller's own token, so auth decides about access."""

    def __init__(self, client: httpx.AsyncClient, auth_url: str) -> None:
        self._client = client
        self._url = f"{auth_url.rstrip('/')}/api/v1/users/me"

    async def email(self, authorization: str) -> str | None:
        """The caller's e-mail address; None if auth does not answer."""
        headers = {"authorization": authorization}
        if traceparent := current_traceparent():
            headers["traceparent"] = traceparent
        try:
            response = await self._client.get(self._url, headers=headers, timeout=_TIMEOUT)
            if response.status_code != httpx.codes.OK:
                return None
            return msgspec.json.decode(response.content, type=_Answer).data.email
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            _log.warning("auth does not answer", error=repr(error))
            return None
