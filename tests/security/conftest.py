"""Fixtures of the attacks: whole services on real parts."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.auth.settings import AuthSettings
from tests.integration.gateway.rig import Rig, Service, running_gateway
from tests.support.auth_stage import Stage, settings, stage
from tests.support.databases import Database


@pytest.fixture
def auth_config(database: Database, redis_url: str) -> AuthSettings:
    return settings(database, redis_url)


@pytest.fixture
async def auth(auth_config: AuthSettings, database: Database) -> AsyncIterator[Stage]:
    async with stage(auth_config, database.admin_url) as running:
        yield running


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """The upstream behind every route of a gateway."""
    async with Service().running() as running:
        yield running


@pytest.fixture
async def gateway(service: Service, redis_url: str) -> AsyncIterator[Rig]:
    """A gateway with the limits of an installation, behind one trusted proxy."""
    limits: dict[str, Any] = {"rate_limit_auth": "1/20s burst 3", "trusted_proxies": "1"}
    async with running_gateway(service, redis_url, **limits) as running:
        yield running


@pytest.fixture
async def visitor(gateway: Rig) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=20) as plain:
        yield plain
