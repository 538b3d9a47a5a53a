"""A header that decides something comes once: a second one would be read by somebody else."""

import pytest

from services.gateway.request.request_headers import SINGLE
from tests.integration.gateway.rig import Rig, Service

HEAD = (
    "PATCH /api/v1/uploads/1 HTTP/1.1\r\nhost: x\r\n{}"
    "content-length: 0\r\nconnection: close\r\n\r\n"
)


@pytest.mark.parametrize("values", [("a", "b"), ("a", "a"), ("", "a"), ("a", "")])
@pytest.mark.parametrize("name", [name.decode() for name in SINGLE])
async def test_it_is_refused_twice(
    rig: Rig, service: Service, name: str, values: tuple[str, str]
) -> None:
    for written in (name, name.title()):
        lines = "".join(f"{written}: {value}\r\n" for value in values)
        answer = await rig.raw(HEAD.format(lines).encode())
        assert answer.startswith(b"HTTP/1.1 400 "), answer[:200]
    assert not service.requests


async def test_once_it_is_passed_on(rig: Rig, service: Service) -> None:
    lines = "".join(f"{name.decode()}: a\r\n" for name in SINGLE if name != b"origin")
    answer = await rig.raw(HEAD.format(lines).encode())
    assert answer.startswith(b"HTTP/1.1 2"), answer[:200]
    assert service.requests[0].headers["authorization"] == "a"
