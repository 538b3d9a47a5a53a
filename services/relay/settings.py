"""The environment of the relay."""

from typing import Annotated

import msgspec

from shared.settings import Address, Secret, Settings, SettingsError


class RelaySettings(Settings, frozen=True, kw_only=True):
    """``metrics_bind`` serves /health, /ready and /metrics.

    With ``s3_archive_bucket`` the log is archived there every ``archive_seconds``, in ranges of at
    most ``archive_range_events``.
    """

    database_url: Secret
    amqp_url: Secret
    metrics_bind: Address
    s3_archive_bucket: str | None = None
    s3_endpoint: str | None = None
    s3_region: str = "us-east-1"
    s3_access_key: str | None = None
    s3_secret_key: Secret | None = None
    s3_sync_url: str | None = None
    archive_seconds: Annotated[float, msgspec.Meta(ge=1)] = 60.0
    archive_range_events: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000


class ArchiveBucketSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The connection to the archive's bucket."""

    name: str
    endpoint: str
    region: str
    access_key: str | None
    secret_key: Secret | None


def archive_bucket(config: RelaySettings) -> ArchiveBucketSettings | None:
    """The archive's bucket, or None where nothing is to be archived. Raises SettingsError."""
    if config.s3_archive_bucket is None:
        return None
    if config.s3_endpoint is None:
        raise SettingsError("S3_ENDPOINT is not set, but S3_ARCHIVE_BUCKET is")
    return ArchiveBucketSettings(
        name=config.s3_archive_bucket,
        endpoint=config.s3_endpoint,
        region=config.s3_region,
        access_key=config.s3_access_key,
        secret_key=config.s3_secret_key,
    )
