"""A service's OpenAPI document in the form of the HTTP contract.

Litestar documents its own error body and names generic schemas by their Python modules. This
module documents every failure as the contract's envelope and calls ``Success[Page[Video]]``
``SuccessPageVideo``.
"""

import re
from typing import Any, Final, cast

from litestar import MediaType, Request
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from shared.errors import Detail
from shared.http.envelope import Failure, Problem

BEARER: Final[list[dict[str, list[str]]]] = [{"BearerAuth": []}]
"""For a route's ``security``: this route needs an access token."""

_FAILURE: Final = {"$ref": "#/components/schemas/Failure"}
_PREFIX: Final = "#/components/schemas/"
_ENVELOPES: Final = {
    Detail.__name__: {
        "title": "Detail",
        "type": "object",
        "required": ["field", "message"],
        "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
    },
    Problem.__name__: {
        "title": "Problem",
        "type": "object",
        "required": ["code", "message", "type"],
        "properties": {
            "code": {"type": "integer"},
            "message": {"type": "string"},
            "type": {"type": "string"},
            "details": {"type": "array", "items": {"$ref": f"{_PREFIX}Detail"}},
            "trace_id": {"type": "string"},
        },
    },
    Failure.__name__: {
        "title": "Failure",
        "type": "object",
        "required": ["success", "error"],
        "properties": {
            "success": {"type": "boolean", "const": False},
            "error": {"$ref": f"{_PREFIX}Problem"},
        },
    },
}


def openapi_config(service: str, version: str) -> OpenAPIConfig:
    """Serves the document at /internal/openapi.json, for the gateway to merge."""
    bearer = SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")
    return OpenAPIConfig(
        title=f"Cinelog {service}",
        version=version,
        path="/internal",
        render_plugins=[_ContractDocument(path="/openapi.json", media_type=MediaType.JSON)],
        components=Components(security_schemes={"BearerAuth": bearer}),
        use_handler_docstrings=True,
    )


class _ContractDocument(JsonRenderPlugin):
    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return self.render_json(request, as_contract(openapi_schema))  # pyright: ignore[reportUnknownMemberType]


def as_contract(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the contract's failures and plain schema names."""
    schemas: dict[str, Any] = document.get("components", {}).get("schemas", {})
    named = _renamed(document, _plain_names(schemas))
    bodies: set[str] = set()
    for path in named.get("paths", {}).values():
        for operation in path.values():
            if isinstance(operation, dict):
                _document_failures(operation)  # pyright: ignore[reportUnknownArgumentType]
                _document_optional_body(operation)  # pyright: ignore[reportUnknownArgumentType]
                bodies |= _names_of_bodies(operation)  # pyright: ignore[reportUnknownArgumentType]
    plain = named.setdefault("components", {}).setdefault("schemas", {})
    for name in bodies:
        # A field that nothing reads is refused.
        plain[name]["additionalProperties"] = False
    for name, schema in plain.items():
        if name.startswith("Success"):
            schema["required"] = ["success", *schema.get("required", ())]
    plain.update(_ENVELOPES)
    return named


def _document_failures(operation: dict[str, Any]) -> None:
    responses: dict[str, Any] = operation.setdefault("responses", {})
    for status, response in responses.items():
        if status.isdigit() and int(status) >= 400:
            response["content"] = {"application/json": {"schema": _FAILURE}}
    responses.setdefault(
        "default",
        {
            "description": "What went wrong, in the envelope of every failure",
            "content": {"application/json": {"schema": _FAILURE}},
        },
    )


def _document_optional_body(operation: dict[str, Any]) -> None:
    """Litestar calls every body required, also one that may be null, which means left out."""
    body: dict[str, Any] = operation.get("requestBody", {})
    for content in body.get("content", {}).values():
        choices: list[dict[str, Any]] = content["schema"].get("oneOf", [])
        if {"type": "null"} in choices:
            body["required"] = False


def _names_of_bodies(operation: dict[str, Any]) -> set[str]:
    """The names of the schemas of an operation's JSON body."""
    content: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
    schema: dict[str, Any] = content.get("application/json", {}).get("schema", {})
    choices: list[dict[str, Any]] = [schema, *schema.get("oneOf", ())]
    return {choice["$ref"].removeprefix(_PREFIX) for choice in choices if "$ref" in choice}


def _plain_names(schemas: dict[str, Any]) -> dict[str, str]:
    names: dict[str, str] = {}
    for name, schema in schemas.items():
        title = schema.get("title", name)
        plain = "".join(part[:1].upper() + part[1:] for part in re.findall(r"\w+", title))
        names[name] = plain if plain and plain not in names.values() else name
    return names


def _renamed(node: Any, names: dict[str, str]) -> Any:
    """A copy of the document with component schemas and references renamed."""
    if isinstance(node, list):
        return [_renamed(item, names) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    copy: dict[str, Any] = {}
    for key, value in cast("dict[str, Any]", node).items():
        if key == "$ref" and isinstance(value, str) and value.startswith(_PREFIX):
            old = value.removeprefix(_PREFIX)
            copy[key] = _PREFIX + names.get(old, old)
        elif key == "schemas" and isinstance(value, dict):
            schemas = cast("dict[str, Any]", value)
            copy[key] = {names.get(name, name): _renamed(s, names) for name, s in schemas.items()}
        else:
            copy[key] = _renamed(value, names)
    return copy
