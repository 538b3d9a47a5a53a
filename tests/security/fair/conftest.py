"""Fixtures of the attacks: the gateway's and ingest's own."""

from tests.integration.gateway.conftest import client, rig, service
from tests.integration.ingest.conftest import ingest

__all__ = ["client", "ingest", "rig", "service"]
