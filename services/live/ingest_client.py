"""Client of ingest: whether an account may store more."""

import time
from collections.abc import Callable
from typing import Final

import httpx
import msgspec

from shared.telemetry import current_traceparent, get_logger

_TIMEOUT: Final = httpx.Timeout(2.0)
# After ingest did not answer, it is not asked for so long: a round over all sessions stays short.
_PAUSE_SECONDS: Final = 5.0
_log = get_logger(__name__)


class _Room(msgspec.Struct):
    refusal: str | None = None


class _Answer(msgspec.Struct):
    data: _Room


class IngestClient:
    """Implements ``ports.Accounts``. ``clock``: steady, in seconds."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        ingest_url: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._url = f"{ingest_url.rstrip('/')}/internal/usage"
        self._clock = clock
        self._ask_after = 0.0

    async def refusal(self, user_id: str, *, begins: bool) -> str | None:
        """Why the account may store no more of a live; None also where ingest does not answer:
        an outage of uploads ends no live."""
        if self._clock() < self._ask_after:
            return None
        headers = {}
        if traceparent := current_traceparent():
            headers["traceparent"] = traceparent
        try:
            response = await self._client.get(
                f"{self._url}/{user_id}/live",
                params={"begins": str(begins).lower()},
                headers=headers,
                timeout=_TIMEOUT,
            )
            response.raise_for_status()
            return msgspec.json.decode(response.content, type=_Answer).data.refusal
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            self._ask_after = self._clock() + _PAUSE_SECONDS
            _log.warning("ingest does not answer", error=repr(error))
            return None
