"""The environment of the reconciler and of the command line."""

from typing import Annotated

import msgspec

from shared.settings import Address, Key, Secret, Settings


class ReconcilerSettings(Settings, frozen=True, kw_only=True):
    """``database_url`` is used only for the advisory lock that elects the leader."""

    database_url: Secret
    metrics_bind: Address
    upstream_ingest: str
    upstream_transcoder: str
    operator_secret: Key
    reconcile_seconds: Annotated[float, msgspec.Meta(ge=1)] = 900.0


class OperatorSettings(Settings, frozen=True, kw_only=True):
    """The command line logs in as the owner, because it reads every service's tables."""

    database_admin_url: Secret
    amqp_url: Secret
    upstream_ingest: str
    upstream_transcoder: str
    upstream_live: str
    operator_secret: Key
    s3_endpoint: str | None = None
    s3_region: str = "us-east-1"
    s3_access_key: str | None = None
    s3_secret_key: Secret | None = None
    s3_archive_bucket: str | None = None


class DiskSyncSettings(Settings, frozen=True, kw_only=True):
    """``sync_folder`` is the bundled storage's; ``metrics_bind`` also takes the requests."""

    sync_folder: str
    s3_secret_key: Secret
    metrics_bind: Address
