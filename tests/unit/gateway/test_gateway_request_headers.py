"""Headers that lie, and headers that must not travel."""

import pytest

from services.gateway.observability.tracing import Tracing
from services.gateway.request.client_address import ClientAddress
from services.gateway.request.request_headers import MAX_HEADERS, RequestHeaders

HOST = (b"host", b"cinelog.example")


def lines(*headers: tuple[bytes, bytes]) -> bytes:
    return b"".join(RequestHeaders([HOST, *headers]).lines)


@pytest.mark.parametrize(
    "name",
    [
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-forwarded-anything",
        b"forwarded",
        b"x-real-ip",
        b"x-cinelog-client",
        b"x-cinelog-origin",
        b"x-cinelog-user",
        b"x-user-id",
        b"x-request-id",
        b"via",
    ],
)
def test_nobody_outside_says_who_calls(name: bytes):
    assert lines((name, b"forged")) == b""


@pytest.mark.parametrize(
    "name",
    [
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"upgrade",
        b"transfer-encoding",
    ],
)
def test_hop_by_hop_headers_end_here(name: bytes):
    assert lines((name, b"chunked")) == b""


def test_headers_named_by_connection_end_here():
    passed = lines(
        (b"x-a", b"1"),
        (b"connection", b"close, X-A"),
        (b"x-ab", b"2"),
        (b"connection", b"x-c"),
        (b"x-c", b"3"),
    )
    assert passed == b"x-ab: 2\r\n"


def test_what_belongs_to_the_request_travels():
    passed = lines((b"authorization", b"Bearer t"), (b"accept", b"*/*"), (b"tus-resumable", b"1"))
    assert passed == b"authorization: Bearer t\r\naccept: */*\r\ntus-resumable: 1\r\n"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 400),
        ([HOST, HOST], 400),
        ([HOST, (b"transfer-encoding", b"gzip, chunked")], 400),
        ([HOST, (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")], 400),
        ([HOST, (b"transfer-encoding", b"chunked"), (b"content-length", b"3")], 400),
        ([HOST, (b"content-length", b"3"), (b"content-length", b"3")], 400),
        ([HOST, (b"content-length", b"-3")], 400),
        ([HOST, (b"content-length", b"+3")], 400),
        ([HOST, (b"content-length", b"3, 3")], 400),
        ([HOST, (b"content-length", b"9" * 30)], 400),
        ([HOST, (b"x-a", b"a" * MAX_HEADERS)], 431),
        ([HOST, (b"content-length", b"3")], 0),
        ([HOST, (b"transfer-encoding", b"chunked")], 0),
    ],
)
def test_refuses_two_ways_to_read_a_length(headers: list[tuple[bytes, bytes]], status: int):
    assert RequestHeaders(headers).refusal == status


@pytest.mark.parametrize(
    ("trusted", "forwarded", "client"),
    [
        (0, [b"6.6.6.6"], "192.0.2.1"),
        (1, [], "192.0.2.1"),
        (1, [b"203.0.113.7"], "203.0.113.7"),
        (1, [b"6.6.6.6, 203.0.113.7"], "203.0.113.7"),
        (1, [b"6.6.6.6", b"203.0.113.7"], "203.0.113.7"),
        (2, [b"6.6.6.6, 203.0.113.7, 10.0.0.1"], "203.0.113.7"),
        (2, [b"203.0.113.7"], "203.0.113.7"),
        (1, [b"203.0.113.7:4711"], "203.0.113.7"),
        (1, [b"[2001:db8:1:2:3::4]:4711"], "2001:db8:1:2::/64"),
        (1, [b"2001:db8:1:2::9"], "2001:db8:1:2::/64"),
        (1, [b"::ffff:203.0.113.7"], "203.0.113.7"),
        (1, [b"fe80::1%eth0"], "fe80::/64"),
        (1, [b"unknown"], "192.0.2.1"),
        (1, [b"6.6.6.6, nonsense"], "192.0.2.1"),
        (1, [b""], "192.0.2.1"),
    ],
)
def test_only_trusted_proxies_are_believed(trusted: int, forwarded: list[bytes], client: str):
    assert ClientAddress(trusted).of("192.0.2.1", forwarded) == client


def test_https_is_believed_of_trusted_proxies_only():
    assert ClientAddress(0).scheme("http", [b"https"]) == "http"
    assert ClientAddress(1).scheme("http", [b"https"]) == "https"
    assert ClientAddress(1).scheme("http", [b"https, http"]) == "http"
    assert ClientAddress(1).scheme("https", []) == "https"


def test_continues_a_trace_that_is_well_formed():
    tracing = Tracing(exporting=False)
    trace = tracing.begin("GET", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    assert trace.trace_id == b"0af7651916cd43dd8448eb211c80319c"
    assert trace.span_id != b"b7ad6b7169203331"


@pytest.mark.parametrize(
    "forged",
    [
        b"",
        b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        b"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nx: y",
    ],
)
def test_starts_a_trace_of_its_own_otherwise(forged: bytes):
    trace = Tracing(exporting=False).begin("GET", forged)
    assert len(trace.traceparent) == 55
    assert trace.trace_id not in forged
