"""The parts that commands use; a command opens only those that it needs."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from services.operator.output import Output
from services.operator.services import Services
from shared.event_store.archive.archive import ArchiveBucket
from shared.event_store.store import EventStore


class Failed(Exception):
    """A command found something wrong; the message says what. Exit code 1."""


class Tools(msgspec.Struct, frozen=True):
    """Each opens one part and closes it at the end."""

    output: Output
    connect: Callable[[], AbstractAsyncContextManager[Any]]
    """An asyncpg connection as the owner."""
    engine: Callable[[], AbstractAsyncContextManager[AsyncEngine]]
    store: Callable[[], AbstractAsyncContextManager[EventStore]]
    services: Callable[[], AbstractAsyncContextManager[Services]]
    archive: Callable[[], AbstractAsyncContextManager[ArchiveBucket]]
    amqp_url: str
    environment: Mapping[str, str]
    """For programs of the services that a command starts."""
