"""OPTIONS and 405 name the same methods, at the gateway and at every route of every service."""

import re
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from services.gateway.request.routes import NotAllowed, Route, Router, Target, table
from shared.http.allow import AllowMiddleware
from tools.openapi_document import applications

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ROUTER = Router(table(1))
APPLICATIONS = applications()


def example(path: str) -> str:
    """A path that the pattern matches."""
    return re.sub(r"\{[^}]*\}", "0190b7a8-1111-7000-8000-000000000001", path)


def paths(app: Litestar) -> dict[str, set[str]]:
    """The paths of a service that are reachable from outside, with their methods."""
    found: dict[str, set[str]] = {}
    for route in app.routes:
        if route.path.startswith("/api/v1/"):
            kept: Any = route
            found.setdefault(example(route.path), set()).update(kept.methods)
    return found


ROUTES = [
    (name, path, methods)
    for name, app in APPLICATIONS.items()
    for path, methods in sorted(paths(app).items())
]


@pytest.mark.parametrize(("service", "path", "methods"), ROUTES)
def test_options_says_what_a_wrong_method_is_told(service: str, path: str, methods: set[str]):
    gateway = ROUTER.match("OPTIONS", path.encode())
    if isinstance(gateway, NotAllowed):
        # The gateway answers OPTIONS and refuses, from the same row.
        for method in METHODS:
            found = ROUTER.match(method, path.encode())
            if isinstance(found, Route):
                # What the gateway puts together itself, it asks of the service that has the path.
                asked = APPLICATIONS.get(found.target, APPLICATIONS[service])
                assert method in paths(asked)[path]
                assert method in gateway.allowed.split(", ")
            else:
                assert found == gateway
        return
    # The service answers everything at this path.
    for method in METHODS:
        found = ROUTER.match(method, path.encode())
        assert isinstance(found, Route), f"services/gateway/request/routes.py has no row for {path}"
        assert found.target == Target(service)
    client = TestClient(APPLICATIONS[service])
    options = client.options(path)
    refused = client.request(next(method for method in METHODS if method not in methods), path)
    assert refused.status_code == 405
    assert options.headers["allow"] == refused.headers["allow"]
    assert methods - {"OPTIONS"} <= set(options.headers["allow"].split(", "))


def test_every_row_of_the_gateway_is_a_route_of_its_service():
    for route in ROUTER.routes:
        if route.target in APPLICATIONS and not route.pattern.endswith("*"):
            served = paths(APPLICATIONS[route.target]).get(example(route.pattern), set())
            missing = route.methods - served - {"HEAD", "OPTIONS"}
            assert not missing or len(route.methods) == 7, (route.pattern, missing)


def test_there_is_no_allow_where_there_is_nothing():
    client = TestClient(APPLICATIONS["catalog"])
    for path in ("/api/v1/nowhere", "/nowhere"):
        answer = client.options(path)
        assert answer.status_code == 404
        assert "allow" not in answer.headers


def test_the_applications_have_it():
    for app in APPLICATIONS.values():
        heads: Any = app.asgi_handler
        assert isinstance(heads._app._app, AllowMiddleware)
