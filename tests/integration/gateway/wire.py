"""What several of the gateway's tests say and expect."""

import httpx

TAGS = "/api/v1/tags"
UPLOAD = "/api/v1/streaming/upload"
EVENTS = "/api/v1/jobs/1/events"


def posting(length: int) -> bytes:
    """The head of an upload."""
    return f"POST {UPLOAD} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n".encode()


def envelope(answer: httpx.Response, status: int, kind: str) -> None:
    """The contract's failure, and nothing more."""
    assert answer.status_code == status
    body = answer.json()
    assert body["success"] is False
    assert (body["error"]["code"], body["error"]["type"]) == (status, kind)
    assert body["error"]["trace_id"] == answer.headers["trace-id"]
    assert "data" not in body
    assert "127.0.0.1" not in answer.text
