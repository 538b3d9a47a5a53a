"""What `make up OBSERVABILITY=1` adds, and its page of traces."""

import gzip
import threading
from pathlib import Path

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from deploy.local import observability
from deploy.local.environments import PREFERRED_PORTS, port_names
from deploy.local.process import Process
from deploy.local.traces import create_server

TRACE = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")


def exported() -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    name = resource.resource.attributes.add(key="service.name")
    name.value.string_value = "cinelog-ingest"
    spans = resource.scope_spans.add().spans
    for number, (what, parent) in enumerate([("<b>upload", 0), ("log append", 1)], start=1):
        spans.add(
            trace_id=TRACE,
            span_id=number.to_bytes(8, "big"),
            parent_span_id=parent.to_bytes(8, "big") if parent else b"",
            name=what,
            start_time_unix_nano=1_000_000 * number,
            end_time_unix_nano=9_000_000,
        )
    return request.SerializeToString()


def test_spans_that_arrive_are_shown_as_a_tree() -> None:
    with create_server(0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            base = f"http://127.0.0.1:{server.server_port}"
            with httpx.Client(base_url=base, trust_env=False) as client:
                zipped = {"content-encoding": "gzip"}
                body = gzip.compress(exported())
                assert client.post("/v1/traces", content=body, headers=zipped).status_code == 200
                assert client.post("/v1/metrics", content=b"").status_code == 200
                assert f"/trace/{TRACE.hex()}" in client.get("/").text
                page = client.get(f"/trace/{TRACE.hex()}").text
                assert client.get(f"/trace/{'0' * 32}").status_code == 404
        finally:
            server.shutdown()
            thread.join()
    assert "&lt;b&gt;upload" in page
    assert page.index("upload<td>") < page.index("padding-left:1rem'>log append")


def test_every_process_is_scraped(tmp_path: Path) -> None:
    names = (*port_names(1), *observability.PORTS)
    ports = {name: 20_000 + number for number, name in enumerate(names)}
    steps = observability.steps(tmp_path, tmp_path / "packages", ports, workers=1)
    assert {step.name for step in steps if isinstance(step, Process)} == {"prometheus", "traces"}
    scraped = {
        job["job_name"]: job["static_configs"][0]["targets"]
        for job in observability.configuration(ports, workers=1)["scrape_configs"]
    }
    processes = {name for name in port_names(1) if not name.endswith("_metrics")}
    # Publishers connect there.
    processes -= set(PREFERRED_PORTS)
    assert set(scraped) == processes | {"gateway", "rabbitmq"}
    assert scraped["gateway"] == [f"127.0.0.1:{ports['gateway_metrics']}"]


def test_it_is_off_unless_asked_for() -> None:
    assert not observability.wanted({})
    assert observability.wanted({"OBSERVABILITY": "1"})
