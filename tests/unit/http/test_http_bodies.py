"""No body has a field that is silently ignored, whatever service reads it."""

from collections.abc import Iterator
from typing import Any, get_args

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.handlers import HTTPRouteHandler

from shared.http.bodies import refuse_ambiguous
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
    assert {where.split()[0] for where, _ in BODIES} == {"auth", "ingest", "catalog", "live"}
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


@pytest.mark.parametrize(
    "body",
    [
        '{"username": "ann", "password": "x", "username": "eve"}',
        '{"username": "ann", "password": "x", "user\\u006eame": "ann"}',
        '{"other": [{"username": 1, "username": 2}]}',
        '{"username": NaN, "username": 1}',
        '{"username": ' + "9" * 5000 + ', "username": 1}',
    ],
)
async def test_a_key_that_is_there_twice_is_named(body: str) -> None:
    app: Any = applications()["auth"]
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://auth/api/v1") as client:
        headers = {"content-type": "application/json"}
        answer = await client.post("/auth/login", content=body, headers=headers)
    assert answer.status_code == 400
    details = answer.json()["error"]["details"]
    assert details == [{"field": "username", "message": "is there twice"}]


@pytest.mark.parametrize(
    "body",
    [
        '{"username": "\\u0000", "password": "x"}',
        '{"username": "ann\\u0000", "password": "x"}',
        '{"other": [{"username": "\\u0000ann"}]}',
        '{"username": ["ann", "\\u0000"]}',
    ],
)
async def test_nul_is_refused_before_a_database_is_asked(body: str) -> None:
    app: Any = applications()["auth"]
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://auth/api/v1") as client:
        headers = {"content-type": "application/json"}
        answer = await client.post("/auth/login", content=body, headers=headers)
    assert answer.status_code == 400
    details = answer.json()["error"]["details"]
    assert details == [{"field": "username", "message": "holds NUL, which no text may"}]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[" * 100_000, b'{"a":' * 5000, b"\xff\xfe", b'{"a": 1' + b"0" * 5000 + b"}"],
)
def test_what_cannot_be_read_is_left_to_the_parser(body: bytes) -> None:
    refuse_ambiguous(body)


@given(
    st.recursive(
        st.integers()
        | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
        | st.booleans()
        | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_what_says_each_thing_once_is_not_refused(value: Any) -> None:
    refuse_ambiguous(msgspec.json.encode(value))
