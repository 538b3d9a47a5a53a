"""The environment of the reconciler and of the command line."""

from typing import Annotated, Self

import msgspec

from services.operator.backups.sealing import parse_key
from shared.settings import Address, Key, Secret, Settings


class ReconcilerSettings(Settings, frozen=True, kw_only=True):
    """``database_url`` is used for the advisory lock that elects the leader, and to read when the
    last backup was made. Where backups are expected, they may become so old.
    """

    database_url: Secret
    metrics_bind: Address
    upstream_ingest: str
    upstream_transcoder: str
    operator_secret: Key
    reconcile_seconds: Annotated[float, msgspec.Meta(ge=1)] = 900.0
    backup_max_age_hours: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    restore_test_max_age_hours: Annotated[float, msgspec.Meta(ge=0)] = 0.0


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


class BackupKey(Secret):
    """What backups are sealed with: 32 random bytes in base64."""

    @classmethod
    def parse(cls, value: str) -> Self:
        """Raises ValueError for anything else."""
        parse_key(value)
        return cls(value)


class BackupTargetSettings(Settings, frozen=True, kw_only=True):
    """``backup_target``: a folder, or s3://BUCKET/PREFIX. Without its keys, S3 is asked with those
    that the machine or the pod has by itself.
    """

    backup_target: str
    backup_key: BackupKey
    backup_s3_endpoint: str | None = None
    backup_s3_region: str = "us-east-1"
    backup_s3_access_key: str | None = None
    backup_s3_secret_key: Secret | None = None


class BucketSettings(BackupTargetSettings, frozen=True, kw_only=True):
    """The installation's buckets, too."""

    s3_endpoint: str
    s3_region: str = "us-east-1"
    s3_access_key: str | None = None
    s3_secret_key: Secret | None = None
    s3_sources_bucket: str
    s3_media_bucket: str
    s3_archive_bucket: str | None = None


class BackupSettings(BucketSettings, frozen=True, kw_only=True):
    """``database_url`` logs in as ``cinelog_backup``, which may read everything."""

    database_url: Secret
    backup_keep_days: Annotated[int, msgspec.Meta(ge=1)] = 30


class RestoreSettings(BucketSettings, frozen=True, kw_only=True):
    """``database_admin_url`` logs in as the owner; ``s3_sync_url``: see ``blobs.disk_sync``."""

    database_admin_url: Secret
    s3_sync_url: str | None = None


class RestoreTestSettings(BackupTargetSettings, frozen=True, kw_only=True):
    """``scratch_database_url`` logs in to a server where a database may be made and dropped;
    ``database_url`` says where the result is noted."""

    database_url: Secret
    scratch_database_url: Secret
