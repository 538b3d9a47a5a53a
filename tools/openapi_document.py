"""The API document as the running gateway serves it, made without a running stack.

``python -m tools.openapi_document`` writes web/openapi.json. Each service's application is built
with its real routes over parts that are never opened: Litestar describes routes from their
signatures alone. The gateway's own code merges the documents.
"""

import sys
from pathlib import Path
from typing import Any, Final

import msgspec
from litestar import Litestar
from litestar.di import Provide
from litestar.serialization import encode_json
from prometheus_client import CollectorRegistry

from services.auth.http import routes as auth
from services.catalog import http as catalog
from services.gateway.pages import openapi
from services.gateway.request.routes import SERVICES
from services.ingest.http.app import ingest_app
from services.live.http.addresses import Addresses
from services.live.http.app import live_app
from services.live.http.chat import chat_router
from services.live.http.clips import clips_router
from services.live.http.planned import planned_router
from services.live.http.simulcast import simulcast_router
from services.live.whip.routes import whip_routers
from services.transcoder import http as transcoder
from shared.http.access_tokens import Verifier
from shared.http.app import create_app
from shared.http.openapi import as_contract
from shared.version import VERSION

ROOT: Final = Path(__file__).resolve().parents[1]
DOCUMENT: Final = ROOT / "web" / "openapi.json"


class _Unopened:
    """Stands for a part that only requests use, and for whatever is taken from it."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *_arguments: object) -> Any:
        return self


_UNOPENED: Final[Any] = _Unopened()


def document() -> dict[str, Any]:
    """The merged document of all services."""
    apps = applications()
    parts = {name.value: _served(apps[name.value]) for name in SERVICES}
    return openapi.merge(parts, title="Cinelog", version=VERSION)


def applications() -> dict[str, Litestar]:
    """Each service's application, over parts that are never opened."""
    verifier = Verifier(_UNOPENED, issuer="", audience="")
    return {
        "auth": _auth(verifier),
        "ingest": _ingest(verifier),
        "catalog": _catalog(verifier),
        "transcoder": _transcoder(verifier),
        "live": _live(verifier),
    }


def _auth(verifier: Verifier) -> Litestar:
    names = ("logins", "sessions", "accounts", "jwks", "devices", "sites", "me", "caller")
    provided = {name: Provide(lambda: _UNOPENED, sync_to_thread=False) for name in names}
    return create_app("auth", auth.routes(), dependencies=provided, verifier=verifier)


def _ingest(verifier: Verifier) -> Litestar:
    registry = CollectorRegistry()
    return ingest_app(
        *(_UNOPENED, _UNOPENED, _UNOPENED, _UNOPENED, _UNOPENED),
        verifier=verifier,
        checks={},
        registry=registry,
    )


def _transcoder(verifier: Verifier) -> Litestar:
    routes = transcoder.job_routes(_UNOPENED, _UNOPENED, _UNOPENED, _UNOPENED)
    return create_app("transcoder", routes, verifier=verifier)


def _live(verifier: Verifier) -> Litestar:
    return live_app(
        _UNOPENED,
        addresses=Addresses(rtmp_url=""),
        verifier=verifier,
        checks={},
        registry=CollectorRegistry(),
        others=[
            chat_router(_UNOPENED),
            clips_router(_UNOPENED),
            planned_router(_UNOPENED),
            simulcast_router(_UNOPENED),
            *whip_routers(_UNOPENED, _UNOPENED),
        ],
    )


def _catalog(verifier: Verifier) -> Litestar:
    provided = {"catalog": Provide(lambda: _UNOPENED, sync_to_thread=False)}
    return create_app("catalog", catalog.routes(), dependencies=provided, verifier=verifier)


def _served(app: Litestar) -> dict[str, Any]:
    """What the service answers at /internal/openapi.json."""
    return msgspec.json.decode(encode_json(as_contract(app.openapi_schema.to_schema())))


def main() -> int:
    """Write web/openapi.json; returns the exit code."""
    DOCUMENT.write_bytes(msgspec.json.encode(document()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
