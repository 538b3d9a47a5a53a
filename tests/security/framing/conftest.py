"""Fixtures of the attacks: the gateway's own."""

from tests.integration.gateway.conftest import client, rig, service

__all__ = ["client", "rig", "service"]
