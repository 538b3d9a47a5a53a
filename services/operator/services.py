"""Calls the operator routes of the services."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import msgspec

from shared.errors import Unavailable
from shared.http.operator import PREFIX
from shared.reconciliation import Findings, Scrubbed
from shared.settings import Key

# Seconds that a part of a round may take.
PATIENCE_SECONDS: Final = 3600.0
_CONNECT_SECONDS: Final = 5.0


class ServiceUnavailable(Unavailable):
    """A service does not answer."""

    code = "service_unavailable"


class Refused(Exception):
    """A service answered with an error; the message is its own."""


class Answer(msgspec.Struct, frozen=True):
    data: Findings


class _Scrub(msgspec.Struct, frozen=True):
    data: Scrubbed


class Services:
    """The services that have routes for operators. Open it with ``open_services``."""

    def __init__(
        self, client: httpx.AsyncClient, ingest: str, transcoder: str, live: str | None = None
    ) -> None:
        self._client = client
        self._urls = {"ingest": ingest.rstrip("/"), "transcoder": transcoder.rstrip("/")}
        self._live = {"live": live.rstrip("/")} if live else {}

    @property
    def names(self) -> list[str]:
        """The services that reconcile."""
        return list(self._urls)

    async def reconcile(self, service: str, *, dry_run: bool) -> Findings:
        """One round of one service. Raises ServiceUnavailable, Refused."""
        part = await self.reconcile_part(service, dry_run=dry_run)
        found = list(part.findings)
        while part.place is not None:
            part = await self.reconcile_part(service, dry_run=dry_run, after=part.place)
            found += part.findings
        return msgspec.structs.replace(part, findings=tuple(found))

    async def reconcile_part(self, service: str, *, dry_run: bool, after: str = "") -> Findings:
        """A part of a round, which begins after a place. Raises ServiceUnavailable, Refused."""
        query = httpx.QueryParams(dry_run=str(dry_run).lower(), after=after)
        answer = await self._post(service, f"reconcile?{query}")
        return msgspec.json.decode(answer, type=Answer).data

    async def job(self, video_id: str, what: str) -> dict[str, Any]:
        """``retry`` or ``cancel`` a job. Raises ServiceUnavailable, Refused."""
        answer = await self._post("transcoder", f"jobs/{video_id}/{what}")
        data: dict[str, Any] = msgspec.json.decode(answer)["data"]
        return data

    async def live(self, video_id: str, what: str) -> dict[str, Any]:
        """``end`` or ``kick`` a live session. Raises ServiceUnavailable, Refused."""
        answer = await self._post("live", f"lives/{video_id}/{what}")
        data: dict[str, Any] = msgspec.json.decode(answer)["data"]
        return data

    async def scrub(self, video_id: str, *, dry_run: bool) -> Scrubbed:
        """Read and compare all objects of a video. Raises ServiceUnavailable, Refused."""
        path = f"scrub/{video_id}?dry_run={str(dry_run).lower()}"
        return msgspec.json.decode(await self._post("transcoder", path), type=_Scrub).data

    async def _post(self, service: str, path: str) -> bytes:
        try:
            answer = await self._client.post(f"{(self._urls | self._live)[service]}{PREFIX}/{path}")
        except httpx.TransportError as error:
            raise ServiceUnavailable(f"{service} does not answer: {error!r}") from error
        if answer.status_code >= 500:
            raise ServiceUnavailable(f"{service} answered {answer.status_code}")
        if answer.is_error:
            raise Refused(_message(answer))
        return answer.content


def _message(answer: httpx.Response) -> str:
    try:
        return str(msgspec.json.decode(answer.content)["error"]["message"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return f"{answer.request.url.path} answered {answer.status_code}"


@asynccontextmanager
async def open_services(
    ingest: str, transcoder: str, secret: Key, *, live: str | None = None
) -> AsyncGenerator[Services]:
    """A client that sends the operator's secret. Without ``live``, live is not asked."""
    async with httpx.AsyncClient(
        headers={"authorization": f"Bearer {secret}"},
        timeout=httpx.Timeout(PATIENCE_SECONDS, connect=_CONNECT_SECONDS),
        trust_env=False,
    ) as client:
        yield Services(client, ingest, transcoder, live)
