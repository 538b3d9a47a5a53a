"""The route table, and what never gets past it."""

import pytest

from services.gateway.request import paths
from services.gateway.request.routes import (
    NotAllowed,
    Policy,
    Route,
    Router,
    Target,
    Unknown,
    table,
)

router = Router(table(max_upload_bytes=1000))
ID = "0190b7a8-1111-7000-8000-000000000001"


def route(method: str, path: str) -> Route:
    found = router.match(method, path.encode())
    assert isinstance(found, Route), found
    return found


@pytest.mark.parametrize(
    ("method", "path", "target"),
    [
        ("POST", "/api/v1/auth/register", Target.AUTH),
        ("POST", "/api/v1/auth/logout", Target.AUTH),
        ("GET", "/api/v1/users/me", Target.AUTH),
        ("DELETE", "/api/v1/users/me/sessions", Target.AUTH),
        ("GET", "/api/v1/users/me/videos", Target.CATALOG),
        ("GET", "/api/v1/users/me/bin", Target.CATALOG),
        ("DELETE", f"/api/v1/users/me/bin/{ID}", Target.CATALOG),
        ("POST", f"/api/v1/users/me/bin/{ID}/restore", Target.CATALOG),
        ("PATCH", "/api/v1/users/email", Target.AUTH),
        ("PATCH", "/api/v1/users/password", Target.AUTH),
        ("DELETE", f"/api/v1/users/{ID}", Target.AUTH),
        ("GET", f"/api/v1/users/id/{ID}", Target.CATALOG),
        ("GET", "/api/v1/users/username/ada", Target.CATALOG),
        ("GET", f"/api/v1/users/{ID}/videos", Target.CATALOG),
        ("POST", "/api/v1/streaming/upload", Target.INGEST),
        ("OPTIONS", "/api/v1/uploads", Target.INGEST),
        ("HEAD", f"/api/v1/uploads/{ID}", Target.INGEST),
        ("POST", f"/api/v1/uploads/direct/{ID}/complete", Target.INGEST),
        ("GET", "/api/v1/streaming/latest", Target.CATALOG),
        ("GET", f"/api/v1/streaming/id/{ID}", Target.CATALOG),
        ("PUT", f"/api/v1/streaming/{ID}", Target.CATALOG),
        ("PATCH", f"/api/v1/streaming/{ID}/visibility", Target.CATALOG),
        ("PATCH", f"/api/v1/streaming/views/{ID}", Target.CATALOG),
        ("GET", f"/api/v1/jobs/{ID}", Target.CATALOG),
        ("DELETE", f"/api/v1/jobs/{ID}", Target.TRANSCODER),
        ("POST", f"/api/v1/jobs/{ID}/retry", Target.TRANSCODER),
        ("GET", "/api/v1/tags", Target.CATALOG),
        ("GET", "/api/v1/tags/music/videos", Target.CATALOG),
        ("POST", f"/api/v1/tags/{ID}", Target.CATALOG),
        ("GET", f"/api/v1/videos/{ID}/timeline", Target.CATALOG),
        ("GET", "/api/v1/events", Target.CATALOG),
        ("GET", f"/media/public/{ID}/v/720p/init.mp4", Target.MEDIA),
        ("GET", "/health", Target.OWN),
        ("GET", "/docs/openapi.json", Target.OWN),
        ("GET", "/", Target.WEB),
        ("GET", "/watch/123", Target.PAGES),
        ("GET", "/watch/123/story", Target.WEB),
        ("GET", "/embed/123", Target.PAGES),
        ("GET", "/u/ada", Target.PAGES),
        ("GET", "/tags/bikes/feed.rss", Target.PAGES),
        ("GET", "/robots.txt", Target.PAGES),
        ("GET", "/assets/index-abc12345.js", Target.WEB),
    ],
)
def test_leads_to_the_service_that_owns_the_path(method: str, path: str, target: Target):
    assert route(method, path).target is target


def test_every_get_is_also_a_head():
    for row in table(1):
        assert ("GET" in row.methods) <= ("HEAD" in row.methods)


@pytest.mark.parametrize("path", ["login", "register", "refresh"])
def test_guessing_passwords_has_a_policy_of_its_own(path: str):
    assert route("POST", f"/api/v1/auth/{path}").policy is Policy.AUTH


@pytest.mark.parametrize(
    "path",
    [
        "/internal/media/1",
        "/internal",
        "/metrics",
        "/metrics/x",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v1/tags/",
        "/api/v2/tags",
        "/api/v1/internal/media/1",
        "/health/x",
        "/media/public",
        "/media/public/x",
    ],
)
def test_what_is_not_in_the_table_does_not_exist(path: str):
    assert router.match("GET", path.encode()) == Unknown()


def test_a_wrong_method_is_told_which_are_right():
    assert router.match("DELETE", b"/api/v1/streaming/latest/x/y/z") is not None
    assert router.match("POST", b"/api/v1/tags") == NotAllowed("GET, HEAD")
    assert router.match("POST", b"/watch/1") == NotAllowed("GET, HEAD")


def test_uploads_and_captions_may_be_long_and_nothing_else():
    captions = "/api/v1/videos/{id}/captions/{language}"
    for row in table(10**12):
        if row.pattern == captions:
            # A file of 512 KiB, as JSON.
            assert row.body_limit == 2 * 1024 * 1024
            continue
        assert row.body_limit == 64 * 1024 or row.target is Target.INGEST


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/x",
        "/a//b",
        "/a/../internal/x",
        "/a/..",
        "/./a",
        "/a/.",
        "/a/..;/b",
        "/a%2Fb",
        "/a%2fb",
        "/%2e%2e/b",
        "/a%5cb",
        "/a%00b",
        "/a%zz",
        "/a%2",
        "/a%",
        "/a\\b",
        "/a b",
        "/a\x00",
        "/a\x7f",
        "/é",
        "/a<b>",
        "*",
        "",
        "http://evil.example/",
    ],
)
def test_two_readings_of_a_path_are_refused(path: str):
    assert paths.refusal(path.encode("latin-1"), b"") == 400


@pytest.mark.parametrize(
    "path", ["/", "/a.b/c-d_e~f", "/a..b", "/...", "/.well-known", "/a%20b", "/%C3%A9", "/a;b=c"]
)
def test_plain_paths_pass(path: str):
    assert paths.refusal(path.encode(), b"q=a%2Fb&x=/../") == 0


def test_long_targets_are_refused():
    assert paths.refusal(b"/" + b"a" * paths.MAX_PATH, b"") == 414
    assert paths.refusal(b"/", b"a" * (paths.MAX_QUERY + 1)) == 414
    assert paths.refusal(b"/", b"a\nb") == 400
