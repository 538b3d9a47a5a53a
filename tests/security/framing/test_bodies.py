"""Bodies whose end cannot be told: a 4xx each, and nothing of them reaches a service as whole."""

import pytest

from tests.integration.gateway.rig import Rig, Service

END = b"0\r\n\r\n"
BROKEN = {
    "letters for a size": b"zz\r\nabc\r\n" + END,
    "a negative size": b"-1\r\nabc\r\n" + END,
    "a signed size": b"+3\r\nabc\r\n" + END,
    "a prefixed size": b"0x3\r\nabc\r\n" + END,
    "no size": b"\r\nabc\r\n" + END,
    "a size of 20 digits": b"f" * 20 + b"\r\nabc\r\n" + END,
    "a size that overflows": b"fffffffffffffffff\r\nabc\r\n" + END,
    "too few bytes": b"9\r\nabc\r\n" + END,
    "too many bytes": b"1\r\nabc\r\n" + END,
    "no end of the chunk": b"3\r\nabc" + END,
    "lines that end in LF": b"3\nabc\n0\n\n",
    "CR alone": b"3\r\rabc\r\n" + END,
    "a long extension": b"3;" + b"a" * 100_000 + b"\r\nabc\r\n" + END,
    "many extensions": b"".join(b"1;" + b"a" * 1000 + b"\r\nx\r\n" for _ in range(100)) + END,
    "LF in an extension": b"3;a\nb\r\nabc\r\n" + END,
    "a trailer without a colon": b"3\r\nabc\r\n0\r\nnonsense\r\n\r\n",
    "a trailer with NUL": b"3\r\nabc\r\n0\r\nx-a: \0\r\n\r\n",
    "a long trailer": b"3\r\nabc\r\n0\r\nx-a: " + b"a" * 200_000 + b"\r\n\r\n",
    "an end in the middle of a chunk": b"9\r\nab",
    "an end after a chunk": b"3\r\nabc\r\n",
    "an end after its last size": b"3\r\nabc\r\n0\r\n",
    "nothing at all": b"",
}
ROUTES = ["POST /api/v1/tags/1", "PATCH /api/v1/uploads/1", "POST /api/v1/streaming/upload"]
HEAD = "{} HTTP/1.1\r\nhost: x\r\n{}connection: close\r\n\r\n"


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", BROKEN)
async def test_broken_chunks_are_refused(rig: Rig, service: Service, route: str, name: str):
    head = HEAD.format(route, "transfer-encoding: chunked\r\n")
    answer = await rig.raw(head.encode() + BROKEN[name], half_close=True)
    assert answer[9:10] == b"4", answer[:200]
    for request in service.requests:
        assert request.headers["transfer-encoding"] == "chunked"
        assert not request.body  # what the service could not read to its end


@pytest.mark.parametrize("route", ROUTES)
async def test_a_body_shorter_than_its_length_is_refused(rig: Rig, service: Service, route: str):
    for length in (5, 100_000):
        head = HEAD.format(route, f"content-length: {length}\r\n")
        answer = await rig.raw(head.encode() + b"abc", half_close=True)
        assert answer[9:10] == b"4", answer[:200]
    assert not any(request.body for request in service.requests)


@pytest.mark.parametrize(
    "lengths",
    [
        "content-length: 3\r\ncontent-length: 4\r\n",
        "content-length: 3, 4\r\n",
        "content-length: -3\r\n",
        "content-length: 3 3\r\n",
        "content-length: \r\n",
        "content-length: 99999999999999999999\r\n",
        "transfer-encoding: chunked, chunked\r\n",
        "transfer-encoding: identity\r\n",
        "transfer-encoding: \r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "content-length: 3\r\ntransfer-encoding: xchunked\r\n",
        "transfer-encoding: gzip\r\ncontent-length: 3\r\n",
    ],
)
async def test_lengths_that_contradict_are_refused(rig: Rig, service: Service, lengths: str):
    answer = await rig.raw(HEAD.format(ROUTES[0], lengths).encode() + b"abc", half_close=True)
    assert answer[9:12] in (b"400", b"413"), answer[:200]
    assert not service.requests


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_chunks_overrule_a_length_and_end_the_connection(
    rig: Rig, service: Service, order: tuple[int, int]
):
    both = ("content-length: 30\r\n", "transfer-encoding: chunked\r\n")
    lengths = both[order[0]] + both[order[1]]
    hidden = b"DELETE /api/v1/users/1 HTTP/1.1\r\nhost: x\r\n\r\n"
    head = HEAD.format(ROUTES[0], lengths).replace("connection: close\r\n", "")
    answer = await rig.raw(head.encode() + b"3\r\nabc\r\n" + END + hidden)
    assert answer.count(b"HTTP/1.1") == 1
    assert [(request.method, request.body) for request in service.requests] == [("POST", b"abc")]


@pytest.mark.parametrize(
    "body", [b"3;a=b\r\nabc\r\n" + END, b"3\r\nabc\r\n0\r\nx-a: b\r\n\r\n", b"003\r\nabc\r\n" + END]
)
async def test_what_the_standard_allows_is_read(rig: Rig, service: Service, body: bytes):
    head = HEAD.format(ROUTES[0], "transfer-encoding: chunked\r\n")
    assert (await rig.raw(head.encode() + body)).startswith(b"HTTP/1.1 200")
    assert service.requests[0].body == b"abc"
    assert "x-a" not in service.requests[0].headers
