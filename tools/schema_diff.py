"""Compares two JSON schemas of an API: does the new one keep the promise of the old one?

For a request, everything that the old schema accepts must still be accepted. For a response,
everything that the new schema allows must have been allowed before: a client that was written
against the old one then meets nothing that it does not know.
"""

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

Schema = dict[str, Any]

_PREFIX: Final = "#/components/schemas/"
_UPPER: Final = ("maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties")
_LOWER: Final = ("minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties")
_ANNOTATIONS: Final = frozenset({"title", "description", "default", "examples", "deprecated"})


class Schemas(Struct, frozen=True):
    """The named schemas of one document."""

    named: dict[str, Schema]

    def resolved(self, schema: Schema) -> Schema:
        """The schema itself, or the one that it refers to. Raises KeyError for a dead reference."""
        while "$ref" in schema:
            schema = self.named[schema["$ref"].removeprefix(_PREFIX)]
        return schema

    def alternatives(self, schema: Schema) -> list[Schema]:
        """One schema for each form that a value may have, without references and unions."""
        schema = self.resolved(schema)
        for union in ("oneOf", "anyOf"):
            if union in schema:
                return [form for part in schema[union] for form in self.alternatives(part)]
        if isinstance(schema.get("type"), list):
            return [{**schema, "type": kind} for kind in schema["type"]]
        return [schema]


class SchemaDiff:
    """Finds what breaks between the schemas of two documents, in one direction."""

    def __init__(self, old: Schemas, new: Schemas, *, request: bool) -> None:
        self._old = old
        self._new = new
        self._request = request
        self._open: set[tuple[int, int]] = set()

    def breaks(self, old: Schema, new: Schema, where: str) -> list[str]:
        """One line for each break; ``where`` is the place's name, such as ``Video.title``."""
        before, after = self._old.alternatives(old), self._new.alternatives(new)
        found: list[str] = []
        # In a request each old form needs a new one that takes it in; in a response the reverse.
        for form in before if self._request else after:
            others = [o for o in (after if self._request else before) if _takes_in(o, form)]
            if not others:
                verb = "is no longer accepted" if self._request else "is a new form"
                found.append(f"{where}: {_kind(form)} {verb}")
                continue
            tried = [self._form(form, other, where) for other in others]
            found += min(tried, key=len)
        return found

    def _form(self, form: Schema, other: Schema, where: str) -> list[str]:
        old, new = (form, other) if self._request else (other, form)
        pair = id(old), id(new)
        if pair in self._open:  # a schema that contains itself
            return []
        self._open.add(pair)
        try:
            return [
                *self._values(old, new, where),
                *self._limits(old, new, where),
                *self._fields(old, new, where),
                *self._contents(old, new, where),
            ]
        finally:
            self._open.discard(pair)

    def _values(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        before, after = _values(old), _values(new)
        if self._request and after is not None:
            if before is None:
                yield f"{where}: only {_listed(after)} is accepted now"
            elif gone := [value for value in before if value not in after]:
                yield f"{where}: {_listed(gone)} is no longer accepted"
        if not self._request and before is not None:
            if after is None:
                yield f"{where}: may be anything now, not only {_listed(before)}"
            elif added := [value for value in after if value not in before]:
                yield f"{where}: {_listed(added)} is a new value"

    def _limits(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        narrow, wide = (old, new) if self._request else (new, old)
        for name in (*_UPPER, *_LOWER):
            limit, mine = wide.get(name), narrow.get(name)
            if limit is None or _values(narrow) is not None:
                continue
            if mine is None or (mine > limit if name in _UPPER else mine < limit):
                yield f"{where}: {name} was {old.get(name, 'unlimited')}, is {_limit(new, name)}"
        for name in ("pattern", "format"):
            if wide.get(name) is not None and wide.get(name) != narrow.get(name):
                yield f"{where}: {name} was {old.get(name, 'free')}, is {new.get(name, 'free')}"

    def _fields(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        must_before, must_after = set(old.get("required", ())), set(new.get("required", ()))
        for name, schema in before.items():
            place = f"{where}.{name}"
            if name not in after:
                yield f"{place}: the field was removed"
                continue
            if not self._request and name in must_before - must_after:
                yield f"{place}: the field may be missing now"
            yield from self.breaks(schema, after[name], place)
        if self._request:
            for name in sorted(must_after - must_before):
                yield f"{where}.{name}: the field is required now"

    def _contents(self, old: Schema, new: Schema, where: str) -> Iterator[str]:
        if "items" in old and "items" in new:
            yield from self.breaks(old["items"], new["items"], f"{where}[]")
        before, after = old.get("additionalProperties"), new.get("additionalProperties")
        if isinstance(before, dict) and isinstance(after, dict):
            yield from self.breaks(before, after, f"{where}{{}}")
        if self._request and after is False and before is not False:
            yield f"{where}: unknown fields are refused now"


def _takes_in(wide: Schema, narrow: Schema) -> bool:
    kinds = _kind(wide), _kind(narrow)
    return kinds[0] in ("any", kinds[1]) or kinds == ("number", "integer")


def _kind(schema: Schema) -> str:
    if "type" in schema:
        return schema["type"]
    if not schema.keys() - _ANNOTATIONS:
        return "any"
    values = _values(schema)
    return type(values[0]).__name__ if values else "object"


def _values(schema: Schema) -> list[Any] | None:
    """The only values that are allowed, or None where they are not listed."""
    if "const" in schema:
        return [schema["const"]]
    return schema.get("enum")


def _listed(values: list[Any]) -> str:
    return ", ".join(map(repr, values))


def _limit(schema: Schema, name: str) -> Any:
    return schema.get(name, "unlimited")
