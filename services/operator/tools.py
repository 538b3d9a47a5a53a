"""The parts that commands use; a command opens only those that it needs."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from services.operator.backups.making import Source
from services.operator.backups.sealing import Sealer
from services.operator.backups.targets import Target
from services.operator.output import Output
from services.operator.services import Services
from shared.blobs.disk_sync import Flush
from shared.blobs.store import BlobStore
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


class Vault(msgspec.Struct, frozen=True):
    """Where backups lie, and what they are sealed with."""

    target: Target
    sealer: Sealer


class Installation(msgspec.Struct, frozen=True):
    """What a backup is restored into. ``on_disk`` confirms what was put into its buckets."""

    admin_url: str
    buckets: Mapping[str, BlobStore]
    on_disk: Flush | None = None


class Scratch(msgspec.Struct, frozen=True):
    """A server for the test of a backup, and the database where the result is noted."""

    server_url: str
    database_url: str


class BackupTools(msgspec.Struct, frozen=True):
    """What the commands of backups may open: each reads settings of its own."""

    output: Output
    vault: Callable[[], AbstractAsyncContextManager[Vault]]
    source: Callable[[], AbstractAsyncContextManager[Source]]
    installation: Callable[[], AbstractAsyncContextManager[Installation]]
    scratch: Callable[[], Scratch]
    keep_days: Callable[[], int]
