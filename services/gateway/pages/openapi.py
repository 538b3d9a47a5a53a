"""Merging of the services' OpenAPI documents into one."""

import re
from collections.abc import Mapping
from typing import Any, Final

Document = dict[str, Any]

_INTERNAL: Final = re.compile(r"/(?:internal|metrics|health|ready|\.well-known)(?:/|\Z)")


def merge(documents: Mapping[str, Document], *, title: str, version: str) -> Document:
    """All paths and components of ``documents``, which are by service. Pure.

    Internal paths are left out. Equal components become one. Where components of one name differ,
    the later one gets its service's name as a prefix, and so do the references to it.
    """
    merged: Document = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "servers": [{"url": "/"}],
        "paths": {},
        "components": {},
    }
    tags: dict[str, Document] = {}
    for service, own in documents.items():
        document = _renamed(own, _clashes(service, own, merged["components"]))
        for kind, members in document.get("components", {}).items():
            merged["components"].setdefault(kind, {}).update(members)
        for path, operations in document.get("paths", {}).items():
            if not _INTERNAL.match(path):
                merged["paths"].setdefault(path, {}).update(operations)
        for tag in document.get("tags", ()):
            tags.setdefault(tag["name"], tag)
    merged["paths"] = dict(sorted(merged["paths"].items()))
    for kind, members in merged["components"].items():
        merged["components"][kind] = dict(sorted(members.items()))
    _unique_operation_ids(merged["paths"])
    if tags:
        merged["tags"] = list(tags.values())
    return merged


def _clashes(service: str, document: Document, known: Document) -> dict[str, str]:
    """Reference → new reference, for components whose names are taken by different ones.

    A new name changes the components that refer to it, so the search is repeated until it finds
    no more.
    """
    renamed: dict[str, str] = {}
    while True:
        found: dict[str, str] = {}
        current = _renamed(document, renamed)
        for kind, members in current.get("components", {}).items():
            for name, member in members.items():
                other = known.get(kind, {}).get(name)
                if other is not None and other != member:
                    prefixed = f"{service.capitalize()}{name}"
                    found[f"#/components/{kind}/{name}"] = f"#/components/{kind}/{prefixed}"
        if not found:
            return renamed
        renamed |= found


def _renamed(document: Document, renamed: Mapping[str, str]) -> Document:
    if not renamed:
        return document
    result = _references(document, renamed)
    for old, new in renamed.items():
        _, _, kind, name = old.split("/", 3)
        members = result["components"][kind]
        if name in members:
            result["components"][kind] = {
                new.rpartition("/")[2] if key == name else key: value
                for key, value in members.items()
            }
    return result


def _references(value: Any, renamed: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: renamed.get(item, item)
            if key == "$ref" and isinstance(item, str)
            else _references(item, renamed)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_references(item, renamed) for item in value]
    return value


def _unique_operation_ids(paths: Document) -> None:
    seen: set[str] = set()
    for path, operations in paths.items():
        for method, operation in operations.items():
            name = operation.get("operationId") if isinstance(operation, dict) else None
            if name is None:
                continue
            if name in seen:
                name = f"{name}_{method}_{re.sub(r'[^A-Za-z0-9]+', '_', path).strip('_')}"
                operation["operationId"] = name
            seen.add(name)
