"""What the service says of itself."""

import sys
from unittest.mock import MagicMock

import pytest
from prometheus_client import CollectorRegistry

from services.ingest.http.app import ingest_app


def test_the_document_is_made_without_what_makes_up_examples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Images do not have it."""
    loaded = [name for name in sys.modules if name.split(".")[0] == "polyfactory"]
    for name in (*loaded, "litestar._openapi.schema_generation.examples"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "faker", None)
    app = ingest_app(
        MagicMock(),
        MagicMock(),
        MagicMock(),
        MagicMock(),
        MagicMock(),
        verifier=MagicMock(),
        checks={},
        registry=CollectorRegistry(),
    )
    document = app.openapi_schema.to_schema()
    upload = document["paths"]["/api/v1/streaming/upload"]["post"]
    assert upload["responses"]["400"]["description"] == "No title, not a video, or too large."
