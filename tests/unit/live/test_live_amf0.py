"""AMF0: values of commands, and bytes that are none."""

import pytest

from services.live.flv import amf0


def test_what_is_written_is_read() -> None:
    values = ["connect", 1.0, {"app": "live", "fpad": False, "more": {"n": 2.5}}, None, ["a", "b"]]
    assert amf0.read(amf0.write(*values)) == values


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x08\x00\x00\x00\x01\x00\x01a\x05\x00\x00\x09", {"a": None}),
        (b"\x0b" + bytes(8) + b"\x00\x00", 0.0),
        (b"\x0c\x00\x00\x00\x02hi", "hi"),
        (b"\x0f\x00\x00\x00\x04<a/>", "<a/>"),
        (b"\x10\x00\x01T\x00\x01a\x01\x01\x00\x00\x09", {"a": True}),
        (b"\x07\x00\x05", None),
        (b"\x06", None),
        (b"\x0d", None),
        (b"\x02\x00\x02\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_every_type_is_read(data: bytes, value: object) -> None:
    assert amf0.read(data) == [value]


@pytest.mark.parametrize("kind", [0x04, 0x0E, 0x11, 0x12, 0x7F, 0xFF])
def test_what_stands_before_an_unknown_type_is_kept(kind: int) -> None:
    assert amf0.read(amf0.write("connect", 1.0) + bytes((kind, 1, 2, 3))) == ["connect", 1.0]
    inside = b"\x03\x00\x01a" + bytes((kind,))
    assert amf0.read(amf0.write("connect", 1.0) + inside) == ["connect", 1.0]


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01",
        b"\x02\x00\x05ab",
        b"\x03\x00\x01a",
        b"\x0a\xff\xff\xff\xff",
        b"\x0a\xff\xff\xff\xff" * 500,
        b"\x03\x00\x01a" * 100,
        b"\x05" * 3000,
        b"\x0c\xff\xff\xff\xffab",
    ],
)
def test_malformed_values_are_said_to_be_so(data: bytes) -> None:
    with pytest.raises(amf0.MalformedAmf):
        amf0.read(data)
