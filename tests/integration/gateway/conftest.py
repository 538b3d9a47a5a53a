"""Fixtures of the gateway's tests."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.integration.gateway.edge_stage import Stand, standing
from tests.integration.gateway.rig import Rig, Service, running_gateway


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """The upstream behind every route."""
    async with Service().running() as running:
        yield running


@pytest.fixture
async def rig(service: Service, redis_url: str) -> AsyncIterator[Rig]:
    """A gateway in front of ``service``, with a limit that no test reaches by accident."""
    async with running_gateway(service, redis_url) as running:
        yield running


@pytest.fixture
async def client(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    """A plain client of ``rig``."""
    async with httpx.AsyncClient(base_url=rig.url, trust_env=False, timeout=20) as plain:
        yield plain


@pytest.fixture
async def stand(service: Service, redis_url: str) -> AsyncIterator[Stand]:
    """A client of a gateway that keeps answers of a catalog."""
    async with standing(service, redis_url) as found:
        yield found
