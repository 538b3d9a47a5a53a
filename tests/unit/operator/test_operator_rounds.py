"""Whoever asks a service for a round gets all of its parts."""

from typing import Any

import httpx

from services.operator.services import Services
from shared.http.app import create_app
from shared.http.operator import operator_routes
from shared.reconciliation import Finding, Part
from shared.settings import Key

SECRET = Key("s" * 32)
# With characters that mean something in a URL.
PLACES = ["", "a&b", "c/d e", None]


async def test_a_round_has_the_findings_of_all_its_parts() -> None:
    asked: list[tuple[bool, str]] = []

    async def reconcile(dry_run: bool, after: str) -> Part:
        asked.append((dry_run, after))
        finding = Finding(action="remove", subject=after)
        return Part(findings=(finding,), place=PLACES[PLACES.index(after) + 1])

    app: Any = create_app("ingest", [operator_routes("ingest", SECRET, reconcile)])
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        headers={"authorization": f"Bearer {SECRET}"},
    ) as client:
        services = Services(client, "http://ingest", "http://transcoder")
        found = await services.reconcile("ingest", dry_run=True)
    assert asked == [(True, place) for place in PLACES[:-1]]
    assert [each.subject for each in found.findings] == PLACES[:-1]
    assert (found.service, found.dry_run, found.place) == ("ingest", True, None)
