"""What breaks clients between two API documents."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tools.openapi_diff import CURRENT, RELEASED, compare
from tools.versions import CHANGELOG, ROOT, VERSION_IN_DOCUMENT, released

API = "/api/v1"
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Cinelog", "version": "0.1.0"},
    "paths": {
        f"{API}/videos/{{id}}": {
            "get": {
                "parameters": [
                    {"in": "path", "name": "id", "required": True, "schema": {"type": "string"}},
                    {"in": "query", "name": "page", "schema": {"type": "integer", "maximum": 100}},
                ],
                "responses": {
                    "200": {
                        "headers": {"etag": {"schema": {"type": "string"}}},
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Video"}}
                        },
                    },
                    "404": {"content": {"application/json": {"schema": {"type": "object"}}}},
                },
            },
            "delete": {"responses": {"204": {}}},
        },
        f"{API}/videos": {
            "post": {
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/NewVideo"}}
                    },
                },
                "responses": {"201": {}},
            }
        },
    },
    "components": {
        "schemas": {
            "Video": {
                "type": "object",
                "required": ["id", "status", "duration"],
                "properties": {
                    "id": {"type": "string"},
                    "status": {"type": "string", "enum": ["processing", "ready"]},
                    "duration": {"type": "integer"},
                    "preview": {"oneOf": [{"type": "string"}, {"type": "null"}]},
                    "tags": {"type": "array", "items": {"$ref": "#/components/schemas/Tag"}},
                    "next": {"oneOf": [{"$ref": "#/components/schemas/Video"}, {"type": "null"}]},
                },
            },
            "Tag": {"type": "object", "properties": {"name": {"type": "string"}}},
            "NewVideo": {
                "type": "object",
                "required": ["title"],
                "properties": {
                    "title": {"type": "string", "maxLength": 100},
                    "note": {"oneOf": [{"type": "string"}, {"type": "null"}]},
                    "visibility": {"type": "string", "enum": ["public", "private"]},
                    "rating": {"type": "number"},
                },
            },
        }
    },
}

Change = Callable[[dict[str, Any]], object]


def video(document: dict[str, Any]) -> dict[str, Any]:
    return document["components"]["schemas"]["Video"]


def new_video(document: dict[str, Any]) -> dict[str, Any]:
    return document["components"]["schemas"]["NewVideo"]


def tag(document: dict[str, Any]) -> dict[str, Any]:
    return document["components"]["schemas"]["Tag"]


def read(document: dict[str, Any]) -> dict[str, Any]:
    return document["paths"][f"{API}/videos/{{id}}"]["get"]


def create(document: dict[str, Any]) -> dict[str, Any]:
    return document["paths"][f"{API}/videos"]["post"]


def changed(change: Change) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    change(document)
    return document


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d["paths"].pop(f"{API}/videos"), "POST /api/v1/videos: the operation was"),
        (
            lambda d: d["paths"][f"{API}/videos/{{id}}"].pop("delete"),
            "DELETE /api/v1/videos/{id}: the operation was removed",
        ),
        (lambda d: read(d)["responses"].pop("404"), "404: the status was removed"),
        (lambda d: read(d)["responses"]["200"].pop("headers"), "the header etag was removed"),
        (
            lambda d: read(d)["responses"]["200"].update(content={"text/plain": {}}),
            "application/json is no longer sent",
        ),
        (lambda d: read(d)["parameters"].pop(), "query page: the parameter was removed"),
        (
            lambda d: read(d)["parameters"][1].update(required=True),
            "query page: the parameter is required now",
        ),
        (
            lambda d: read(d)["parameters"].append({"in": "header", "name": "x", "required": True}),
            "header x: a new parameter is required",
        ),
        (
            lambda d: read(d)["parameters"][1]["schema"].update(maximum=50),
            "query page: maximum was 100, is 50",
        ),
        (lambda d: read(d).update(security=[{"BearerAuth": []}]), "a token is required now"),
        (lambda d: video(d)["properties"].pop("preview"), "200.preview: the field was removed"),
        (lambda d: video(d)["required"].remove("duration"), "200.duration: the field may be miss"),
        (
            lambda d: video(d)["properties"]["duration"].update(type="string"),
            "200.duration: string is a new form",
        ),
        (
            lambda d: video(d)["properties"]["duration"].update(type="number"),
            "200.duration: number is a new form",
        ),
        (
            lambda d: video(d)["properties"]["status"]["enum"].append("failed"),
            "200.status: 'failed' is a new value",
        ),
        (lambda d: video(d)["properties"]["status"].pop("enum"), "200.status: may be anything"),
        (
            lambda d: video(d)["properties"].update(
                id={"oneOf": [{"type": "string"}, {"type": "null"}]}
            ),
            "200.id: null is a new form",
        ),
        (lambda d: tag(d)["properties"].pop("name"), "200.tags[].name: the field was removed"),
        (lambda d: create(d)["requestBody"].update(required=True), "a body is required now"),
        (
            lambda d: create(d)["requestBody"].update(content={"text/plain": {}}),
            "a body of application/json is no longer accepted",
        ),
        (lambda d: create(d).pop("requestBody"), "no body is read any more"),
        (lambda d: new_video(d)["required"].append("note"), "body.note: the field is required now"),
        (lambda d: new_video(d)["properties"].pop("note"), "body.note: the field was removed"),
        (
            lambda d: new_video(d)["properties"].update(note={"type": "string"}),
            "body.note: null is no longer accepted",
        ),
        (
            lambda d: new_video(d)["properties"]["visibility"]["enum"].remove("private"),
            "body.visibility: 'private' is no longer accepted",
        ),
        (
            lambda d: new_video(d)["properties"]["title"].update(enum=["a"]),
            "body.title: only 'a' is accepted now",
        ),
        (
            lambda d: new_video(d)["properties"]["title"].update(maxLength=50),
            "body.title: maxLength was 100, is 50",
        ),
        (
            lambda d: new_video(d)["properties"]["title"].update(minLength=1),
            "body.title: minLength was unlimited, is 1",
        ),
        (
            lambda d: new_video(d)["properties"]["title"].update(pattern="a+"),
            "body.title: pattern was free, is a+",
        ),
        (
            lambda d: new_video(d)["properties"]["rating"].update(type="integer"),
            "body.rating: number is no longer accepted",
        ),
        (
            lambda d: new_video(d).update(additionalProperties=False),
            "body: unknown fields are refused now",
        ),
    ],
)
def test_a_breaking_change_is_named(change: Change, says: str) -> None:
    lines = compare(DOCUMENT, changed(change)).breaking
    assert len(lines) == 1, lines
    assert says in lines[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: video(d)["properties"].update(width={"type": "integer"}),
        lambda d: video(d)["required"].append("preview"),
        lambda d: video(d)["properties"].update(preview={"type": "string"}),
        lambda d: video(d)["properties"]["status"]["enum"].remove("processing"),
        lambda d: video(d).update(description="Something to watch."),
        lambda d: new_video(d)["properties"].update(tags={"type": "array"}),
        lambda d: new_video(d)["required"].remove("title"),
        lambda d: new_video(d)["properties"]["title"].update(maxLength=200),
        lambda d: new_video(d)["properties"]["visibility"]["enum"].append("unlisted"),
        lambda d: new_video(d)["properties"]["visibility"].pop("enum"),
        lambda d: read(d)["responses"].update({"429": {}}),
        lambda d: read(d)["parameters"].append({"in": "query", "name": "size", "schema": {}}),
        lambda d: read(d)["parameters"][1]["schema"].update(type="number"),
    ],
)
def test_what_breaks_nobody_is_not_named(change: Change) -> None:
    assert compare(DOCUMENT, changed(change)).breaking == []


def test_a_new_operation_is_listed() -> None:
    new = changed(lambda d: d["paths"].update({f"{API}/tags": {"get": {"responses": {}}}}))
    changes = compare(DOCUMENT, new)
    assert changes.breaking == []
    assert changes.added == ["GET /api/v1/tags"]


def test_the_released_document_is_that_of_the_last_release() -> None:
    found = VERSION_IN_DOCUMENT.search(RELEASED.read_text())
    assert found is not None
    # While a release is prepared, the changelog already has its section.
    assert found.group(1) in released()[:2]


def test_what_breaks_since_the_last_release_is_in_the_changelog() -> None:
    old = json.loads(RELEASED.read_text())
    changes = compare(old, json.loads(CURRENT.read_text()))
    newer, _, _ = (ROOT / CHANGELOG).read_text().partition(f"\n## {old['info']['version']} - ")
    announced = "- **Breaking" in newer
    assert announced or changes.breaking == [], "say so in CHANGELOG.md: - **Breaking:** …"
