"""What the gateway answers itself: the web client, the API document, health, figures."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.integration.gateway.rig import (
    Clock,
    Peer,
    Request,
    Service,
    environment_for,
    running_gateway,
)
from tests.support.entry_points import refused
from tests.support.wait import eventually

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def web(tmp_path: Path) -> Path:
    assets = tmp_path / "assets"
    assets.mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>Cinelog</title>")
    (tmp_path / "favicon.svg").write_text("<svg/>")
    (assets / "index-Bx3kQ9aZ.js").write_text("console.log(1);" * 1000)
    (assets / "index-Bx3kQ9aZ.js.br").write_bytes(b"brotli, for all we know")
    return tmp_path


async def test_the_web_client_is_served_with_its_pages(service: Service, redis_url: str, web: Path):
    async with (
        running_gateway(service, redis_url, web_root=web) as rig,
        httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
    ):
        for page in ("/", "/tags", "/my/videos"):
            answer = await client.get(page)
            assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            policy = answer.headers["content-security-policy"]
            assert "media-src 'self' blob:" in policy
            assert "worker-src 'self' blob:" in policy
            assert "script-src 'self';" in policy
        script = "/assets/index-Bx3kQ9aZ.js"
        plain = await client.get(script, headers={"accept-encoding": "identity"})
        assert "immutable" in plain.headers["cache-control"]
        assert plain.headers["content-type"].startswith("text/javascript")
        packed = await client.get(script, headers={"accept-encoding": "gzip;q=1, br;q=0"})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.text == plain.text
        assert packed.headers["etag"] != plain.headers["etag"]
        async with client.stream("GET", script, headers={"accept-encoding": "br, gzip"}) as best:
            assert best.headers["content-encoding"] == "br"
        known = {"if-none-match": plain.headers["etag"], "accept-encoding": "identity"}
        assert (await client.get(script, headers=known)).status_code == 304
        assert (await client.get("/favicon.svg")).headers["cache-control"] == "no-cache"
        assert (await client.head("/")).text == ""
        opened = {"accept": "text/html,application/xhtml+xml"}
        assert (await client.get("/tags/jonas.k", headers=opened)).status_code == 200
        for missing in ("/assets/missing.js", "/assets/../../etc/passwd.txt", "/ads.txt"):
            assert (await client.get(missing)).status_code == 404
        assert (await client.post("/watch/1")).status_code == 405


async def test_a_client_that_is_not_built_yet_is_said_so_and_seen_once_it_is(
    service: Service, redis_url: str, tmp_path: Path
):
    root, clock = tmp_path / "dist", Clock()
    async with (
        running_gateway(service, redis_url, web_root=root, clock=clock) as rig,
        httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
    ):
        answer = await client.get("/")
        assert answer.status_code == 503
        assert "not built" in answer.text
        root.mkdir()
        (root / "index.html").write_text("built")
        assert (await client.get("/")).status_code == 503
        clock.now += 2
        assert (await client.get("/")).text == "built"


async def test_the_services_documents_become_one(service: Service, redis_url: str):
    async def handler(request: Request, peer: Peer) -> None:
        assert request.target == "/internal/openapi.json"
        await peer.answer(200, {"paths": {"/api/v1/tags": {"get": {"operationId": "Tags"}}}})

    service.handler, clock = handler, Clock()
    async with (
        running_gateway(service, redis_url, clock=clock) as rig,
        httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
    ):
        document = (await client.get("/docs/openapi.json")).json()
        assert document["openapi"].startswith("3.1")
        assert list(document["paths"]) == ["/api/v1/tags"]
        await client.get("/docs/openapi.json")
        assert len(service.requests) == 5  # each service once
        clock.now += 31
        await client.get("/docs/openapi.json")
        assert len(service.requests) == 10


async def test_the_document_is_browsable_without_anyone_elses_server(client: httpx.AsyncClient):
    page = await client.get("/docs")
    assert page.status_code == 200
    assert "http" not in page.text.replace("http-equiv", "")
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js", "favicon-32x32.png"):
        answer = await client.get(f"/docs/assets/{asset}")
        assert answer.status_code == 200
        assert asset in page.text
    assert (await client.get("/docs/assets/index.html")).json()["error"]["type"] == "not_found"


async def test_ready_names_what_is_not(client: httpx.AsyncClient, service: Service):
    assert (await client.get("/ready")).json()["data"]["checks"]["redis"] == "ok"

    async def handler(_: Request, peer: Peer) -> None:
        await peer.answer(503, {})

    service.handler = handler
    answer = await client.get("/ready")
    assert answer.status_code == 503
    named = {detail["field"] for detail in answer.json()["error"]["details"]}
    assert named == {"auth", "ingest", "catalog", "transcoder", "live"}
    assert (await client.get("/health")).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/ready", "/docs", "/docs/openapi.json"])
async def test_a_head_of_the_gateways_own_routes_is_their_gets(
    client: httpx.AsyncClient, path: str
):
    whole, bare = await client.get(path), await client.head(path)
    assert bare.status_code == whole.status_code
    assert bare.content == b""
    assert bare.headers["content-length"] == str(len(whole.content))


async def test_a_failure_of_the_gateways_own_routes_is_an_envelope(client: httpx.AsyncClient):
    answer = await client.get("/docs/nothing/here")
    assert answer.status_code == 404
    assert answer.json()["error"]["trace_id"] == answer.headers["trace-id"]


async def test_the_process_serves_figures_inside_and_drains_on_sigterm(
    service: Service, redis_url: str
):
    env = environment_for(service.address, redis_url, access_log="true")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.gateway.main",
        cwd=ROOT, env={**os.environ, **env}, stdout=subprocess.PIPE,
    )  # fmt: skip
    go = asyncio.Event()

    async def slow(request: Request, peer: Peer) -> None:
        await go.wait()
        await service.echo(request, peer)

    try:
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            url, figures = f"http://{env['BIND']}", f"http://{env['METRICS_BIND']}"

            async def up() -> bool:
                try:
                    return (await client.get(url + "/health")).status_code == 200
                except httpx.ConnectError:
                    return False

            await eventually(up)
            await client.get(url + "/api/v1/tags?secret=1")
            text = (await client.get(figures + "/metrics")).text
            for name in (
                'http_requests_total{method="GET",route="/api/v1/tags",'
                'service="gateway",status="200"} 1.0',
                "http_request_duration_seconds_bucket",
                "http_requests_in_flight",
                'gateway_rate_limit_decisions_total{counted="redis",policy="general",',
                'gateway_breaker_state{upstream="catalog"} 0.0',
            ):
                assert name in text
            service.handler = slow
            asking = asyncio.create_task(client.get(url + "/api/v1/tags"))
            await eventually(lambda: len(service.requests) >= 2)
            process.send_signal(signal.SIGTERM)
            asyncio.get_running_loop().call_later(0.3, go.set)
            assert (await asking).status_code == 200
            assert await asyncio.wait_for(process.wait(), 20) == 0
            assert process.stdout is not None
            log = (await process.stdout.read()).decode()
            assert '"route":"/api/v1/tags"' in log
            assert "secret" not in log
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REDIS_URL", ""),
        ("REDIS_URL", "http://127.0.0.1"),
        ("UPSTREAM_AUTH", "nonsense"),
        ("MEDIA_GRANT_SECRET", "short"),
        ("RATE_LIMIT_GENERAL", "a lot"),
        ("TRUSTED_PROXIES", "-1"),
        ("EMBED_ORIGINS", "https://a.example; script-src *"),
        ("EMBED_ORIGINS", "none, *"),
    ],
)
def test_a_bad_setting_stops_the_start_with_one_line(variable: str, value: str):
    env = environment_for("http://127.0.0.1:9", "redis://127.0.0.1:9/0") | {variable: value}
    code, said = refused("services.gateway.main", env=env)
    assert code == 2
    assert said.count("\n") == 1
    assert variable in said
