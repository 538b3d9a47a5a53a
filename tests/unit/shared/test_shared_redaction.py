"""What looks like a secret reaches neither a log nor an exported span."""

import json
import secrets

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from shared.http.grants import grant
from shared.telemetry.redaction import RedactingExporter, redacted

VIDEO = "01a21b02-3840-7dd3-a142-3a4dabea09dd"
GRANT = grant("secret", VIDEO, VIDEO, 1_800_000_000)
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl-_1"
REFRESH = "Zm9v-QmFy_" + "a1B2c3D4e5F" * 3

SECRETS = [
    (f"GET /media/{GRANT}/{VIDEO}/master.m3u8", GRANT),
    ("GET /media/anything%2Felse/x", "anything%2Felse"),
    (f"grant {GRANT} refused", GRANT),
    (f"Authorization: Bearer {JWT}", JWT),
    ("authorization: bearer opaque", "opaque"),
    (f'"token":"{JWT}"', JWT),
    ("amqp://cinelog:p%40ss@rabbit:5672/", "p%40ss"),
    ("postgresql://u:x@h/db?sslmode=require", "u:x"),
    ("https://s3/b/k?X-Amz-Expires=9&X-Amz-Signature=abc123&x=1", "abc123"),
    ("http://s3/b/k?X-Amz-Credential=AKIA%2F2026&y", "AKIA%2F2026"),
    ("https://hooks.example.com/in?token=t0k&access_token=t1k", "t1k"),
    ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD is new", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
    (f"refresh {REFRESH}!", REFRESH),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_a_secret_is_hidden_wherever_it_stands(text: str, secret: str) -> None:
    assert secret not in redacted(text)
    line = redacted(json.dumps({"reason": f'"{text}"', "n": 1}))
    assert secret not in line
    assert json.loads(line)["n"] == 1


def test_every_grant_and_refresh_token_is_hidden() -> None:
    for number in range(500):
        token = secrets.token_urlsafe(32)
        made = grant("secret", VIDEO, VIDEO, 1_700_000_000 + number * 1_000_000)
        assert redacted(f"x {token} y {made} z") == "x *** y *** z"


@pytest.mark.parametrize(
    "text",
    [
        f"/media/public/{VIDEO}/v/720p/1.m4s",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        f"upload {VIDEO} of user {VIDEO}",
        "TranscodeFailed: no such file or directory: 'clip.mp4'",
        "http://127.0.0.1:8080/api/v1/streaming/latest?page=2&page_size=10",
        "test_what_has_forty_three_characters_is_kept",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


def test_spans_are_exported_without_secrets() -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(RedactingExporter(kept)))
    with provider.get_tracer("t").start_as_current_span(f"GET /media/{GRANT}/x") as span:
        span.set_attribute("url.full", f"http://h/media/{GRANT}/x")
        span.set_attribute("url.parts", ("a", JWT))
        span.set_attribute("n", 7)
        span.record_exception(ValueError(f"{JWT} refused"))
        span.set_status(StatusCode.ERROR, f"{JWT} refused")
    (exported,) = kept.get_finished_spans()
    text = exported.to_json()
    assert GRANT not in text
    assert JWT not in text
    assert exported.attributes is not None
    assert exported.attributes["n"] == 7
    assert exported.context == span.get_span_context()
