"""Names what breaks clients between two OpenAPI documents, and what is new.

``python -m tools.openapi_diff`` compares web/openapi.json with the last released document and
exits with 1 if anything breaks. ``python -m tools.openapi_diff OLD NEW`` compares two files.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from tools.schema_diff import SchemaDiff, Schemas

ROOT: Final = Path(__file__).resolve().parents[1]
RELEASED: Final = ROOT / "docs" / "api" / "openapi-released.json"
CURRENT: Final = ROOT / "web" / "openapi.json"

Document = dict[str, Any]

_METHODS: Final = ("get", "head", "options", "post", "put", "patch", "delete")


class Changes(Struct, frozen=True):
    """What differs: lines that begin with method and path."""

    breaking: list[str]
    added: list[str]


def compare(old: Document, new: Document) -> Changes:
    """All operations of both documents, side by side. Pure."""
    before, after = _operations(old), _operations(new)
    diff = _Diff(old, new)
    breaking: list[str] = []
    for name, operation in before.items():
        if name in after:
            breaking += [f"{name}: {line}" for line in diff.operation(operation, after[name])]
        else:
            breaking.append(f"{name}: the operation was removed")
    return Changes(breaking, [name for name in after if name not in before])


def _operations(document: Document) -> dict[str, Document]:
    return {
        f"{method.upper()} {path}": item[method]
        for path, item in document["paths"].items()
        for method in _METHODS
        if method in item
    }


class _Diff:
    def __init__(self, old: Document, new: Document) -> None:
        before, after = (
            Schemas(document.get("components", {}).get("schemas", {})) for document in (old, new)
        )
        self._requests = SchemaDiff(before, after, request=True)
        self._responses = SchemaDiff(before, after, request=False)

    def operation(self, old: Document, new: Document) -> Iterator[str]:
        yield from self._parameters(old, new)
        yield from self._body(old.get("requestBody"), new.get("requestBody"))
        yield from self._answers(old["responses"], new["responses"])
        if new.get("security") and not old.get("security"):
            yield "a token is required now"

    def _parameters(self, old: Document, new: Document) -> Iterator[str]:
        before, after = _parameters(old), _parameters(new)
        for name, parameter in before.items():
            if name not in after:
                yield f"{name}: the parameter was removed"
                continue
            yield from self._requests.breaks(parameter["schema"], after[name]["schema"], name)
            if after[name].get("required") and not parameter.get("required"):
                yield f"{name}: the parameter is required now"
        for name, parameter in after.items():
            if name not in before and parameter.get("required"):
                yield f"{name}: a new parameter is required"

    def _body(self, old: Document | None, new: Document | None) -> Iterator[str]:
        if old is None:
            if new is not None and new.get("required"):
                yield "a body is required now"
            return
        if new is None:
            yield "no body is read any more"
            return
        if new.get("required") and not old.get("required"):
            yield "a body is required now"
        for kind, content in old["content"].items():
            if kind not in new["content"]:
                yield f"a body of {kind} is no longer accepted"
                continue
            schemas = content.get("schema", {}), new["content"][kind].get("schema", {})
            yield from self._requests.breaks(*schemas, "body")

    def _answers(self, old: Document, new: Document) -> Iterator[str]:
        for status, answer in old.items():
            if status not in new:
                yield f"{status}: the status was removed"
                continue
            for name in answer.get("headers", {}):
                if name not in new[status].get("headers", {}):
                    yield f"{status}: the header {name} was removed"
            for kind, content in answer.get("content", {}).items():
                now = new[status].get("content", {})
                if kind not in now:
                    yield f"{status}: {kind} is no longer sent"
                    continue
                schemas = content.get("schema", {}), now[kind].get("schema", {})
                yield from self._responses.breaks(*schemas, status)


def _parameters(operation: Document) -> dict[str, Document]:
    found = operation.get("parameters", ())
    return {f"{one['in']} {one['name']}": {"schema": {}, **one} for one in found}


def main(arguments: list[str]) -> int:
    """Print the differences; returns 1 if something breaks."""
    if len(arguments) not in (0, 2):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    files = [Path(name) for name in arguments] or [RELEASED, CURRENT]
    old, new = (json.loads(file.read_text()) for file in files)
    changes = compare(old, new)
    since = old["info"]["version"]
    for line in changes.breaking:
        sys.stdout.write(f"breaks  {line}\n")
    for line in changes.added:
        sys.stdout.write(f"added   {line}\n")
    if not changes.breaking and not changes.added:
        sys.stdout.write(f"No operation was added or broken since {since}.\n")
    return 1 if changes.breaking else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
