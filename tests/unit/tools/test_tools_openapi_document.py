"""The API document is made without a running stack, and kept up to date."""

import importlib
import json
import pkgutil
import shutil
import subprocess
from collections.abc import Iterator

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

import services
from shared.version import VERSION
from tools.openapi_document import DOCUMENT, ROOT, applications, document

# The dependencies of a route that nobody uses without a token.
CALLERS = {"principal", "me"}


def test_the_committed_document_is_what_the_routes_say() -> None:
    made = document()
    assert made == json.loads(DOCUMENT.read_text()), "make openapi writes it"
    assert made["info"]["version"] == VERSION


def test_the_clients_types_are_made_from_the_committed_document() -> None:
    npx = shutil.which("npx")
    assert npx is not None
    check = (npx, "--no-install", "openapi-typescript", "openapi.json", "--check")
    checked = subprocess.run(
        (*check, "-o", "src/api/schema.d.ts"),
        cwd=ROOT / "web",
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, f"make openapi writes them: {checked.stderr}"


def handlers(app: Litestar) -> Iterator[tuple[str, HTTPRouteHandler]]:
    """A service's routes, each with its path in the document."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            yield route.path_format, handler


def test_every_route_is_in_the_application_of_its_service() -> None:
    """One that no list or router of its service names would be served by nobody."""
    served = {handler.fn for app in applications().values() for _, handler in handlers(app)}
    forgotten = [
        f"{module.name}.{name}"
        for module in pkgutil.walk_packages(services.__path__, "services.")
        if module.name.split(".")[2:3] == ["http"]
        for name, value in vars(importlib.import_module(module.name)).items()
        if isinstance(value, HTTPRouteHandler) and value.fn not in served
    ]
    assert forgotten == []


def test_a_route_that_needs_a_token_says_so() -> None:
    silent: list[str] = []
    for app in applications().values():
        paths = app.openapi_schema.to_schema()["paths"]
        for path, handler in handlers(app):
            if CALLERS.isdisjoint(handler.parsed_fn_signature.parameters):
                continue
            for method in handler.http_methods:
                operation = paths.get(path, {}).get(method.lower())
                if operation is not None and not operation.get("security"):
                    silent.append(f"{method} {path}")
    assert silent == [], "security=BEARER is missing"
