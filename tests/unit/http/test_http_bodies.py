"""No body has a field that is silently ignored, whatever service reads it."""

from collections.abc import Iterator
from typing import Any, get_args

import httpx
import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler

from tools.openapi_document import applications, document


def bodies() -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """Each route that reads JSON, with the structs that it reads."""
    for service, app in applications().items():
        for route in app.routes:
            for handler in getattr(route, "route_handlers", ()):
                assert isinstance(handler, HTTPRouteHandler)
                field = handler.parsed_data_field
                if field is None:
                    continue
                for kind in get_args(field.annotation) or (field.annotation,):
                    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                        yield f"{service} {route.path}", kind


BODIES = list(bodies())


def test_the_bodies_of_all_services_are_looked_at() -> None:
    assert {where.split()[0] for where, _ in BODIES} == {"auth", "ingest", "catalog"}
    assert len(BODIES) >= 13


@pytest.mark.parametrize(("where", "body"), BODIES, ids=[where for where, _ in BODIES])
def test_a_field_that_nothing_reads_is_refused(where: str, body: type[msgspec.Struct]) -> None:
    assert body.__struct_config__.forbid_unknown_fields, where


def test_the_document_says_so() -> None:
    schemas = document()["components"]["schemas"]
    names = {body.__name__ for _, body in BODIES}
    assert {name for name in names if schemas[name]["additionalProperties"] is not False} == set()


@pytest.mark.parametrize("name", ["visiblity", "is_private", "a" * 99, "é"])
async def test_the_field_is_named(name: str) -> None:
    app: Any = applications()["auth"]
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://auth/api/v1") as client:
        body = {"username": "ann", "password": "x", name: True}
        answer = await client.post("/auth/login", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"] == [{"field": name[:40], "message": "is not known"}]
