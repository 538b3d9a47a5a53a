"""One document out of several."""

from services.gateway.pages.openapi import merge


def document(schema: dict[str, object], path: str, **more: object) -> dict[str, object]:
    operation = {
        "operationId": "List",
        "responses": {"200": {"$ref": "#/components/schemas/Item"}},
    }
    return {
        "openapi": "3.1.0",
        "paths": {path: {"get": operation}},
        "components": {"schemas": {"Item": schema, **more}},
    }


def merged(**documents: dict[str, object]) -> dict[str, object]:
    return merge(documents, title="Cinelog", version="1")


def test_equal_components_are_shared():
    whole = merged(a=document({"type": "string"}, "/x"), b=document({"type": "string"}, "/y"))
    assert list(whole["paths"]) == ["/x", "/y"]
    assert whole["components"]["schemas"] == {"Item": {"type": "string"}}


def test_clashing_components_are_told_apart_and_so_are_references_to_them():
    box = {"properties": {"item": {"$ref": "#/components/schemas/Item"}}}
    whole = merged(
        auth=document({"type": "string"}, "/x", Box=box),
        catalog=document({"type": "integer"}, "/y", Box=box),
    )
    schemas = whole["components"]["schemas"]
    assert schemas["Item"] == {"type": "string"}
    assert schemas["CatalogItem"] == {"type": "integer"}
    assert schemas["Box"] == box
    assert schemas["CatalogBox"]["properties"]["item"]["$ref"].endswith("/CatalogItem")
    answer = whole["paths"]["/y"]["get"]["responses"]["200"]
    assert answer["$ref"] == "#/components/schemas/CatalogItem"


def test_operation_ids_stay_unique():
    whole = merged(a=document({}, "/x"), b=document({}, "/y/{id}"))
    ids = [whole["paths"][path]["get"]["operationId"] for path in whole["paths"]]
    assert ids == ["List", "List_get_y_id"]


def test_internal_paths_are_left_out():
    internal = ["/internal/media/{id}", "/metrics", "/health", "/ready", "/.well-known/jwks.json"]
    whole = merged(a={"paths": {path: {"get": {}} for path in [*internal, "/healthy"]}})
    assert list(whole["paths"]) == ["/healthy"]


def test_the_parts_are_not_changed():
    part = document({"type": "integer"}, "/y")
    merged(a=document({"type": "string"}, "/x"), b=part)
    assert part == document({"type": "integer"}, "/y")
