"""Ingest's environment."""

from typing import Annotated, Final

import msgspec

from services.ingest.quotas import Quota, Quotas
from shared.settings import Address, Key, Secret, Settings

DEFAULT_MAX_BYTES: Final = 20 * 1024**3


class IngestSettings(Settings, frozen=True, kw_only=True):
    """``max_upload_bytes`` of one video; ``max_uploads_at_once`` in this process, each of which
    takes about 20 MB of memory, and ``max_uploads_per_user`` of them; a resumable upload expires
    ``upload_expiry_hours`` after its last byte. A body must arrive at
    ``upload_min_bytes_per_second``, with pauses of ``upload_slow_seconds`` at most.

    An object without an owner is listed for deletion once it is older than ``orphan_seconds``, and
    deleted ``deletion_delay_hours`` later; ``deleted_video_hours`` is the same for the source of a
    deleted video. Operators send
    ``operator_secret`` to have the bucket compared with the log; without one the route is off.

    Quotas of one account, without a limit where they are 0: ``quota_bytes`` stored,
    ``quota_videos``, ``quota_open_uploads``, ``quota_encode_minutes`` of sources a day. Accounts
    that an operator trusts may use ``quota_trusted_factor`` times as much.

    ``s3_public_endpoint``: where clients of direct uploads reach the bucket, if they can.
    ``s3_sync_url``: see ``shared.blobs.disk_sync``.
    """

    bind: Address
    database_url: Secret
    amqp_url: Secret
    s3_endpoint: str
    s3_region: str = "us-east-1"
    s3_access_key: Secret | None = None
    s3_secret_key: Secret | None = None
    s3_sources_bucket: Annotated[str, msgspec.Meta(min_length=3, max_length=63)]
    s3_public_endpoint: str | None = None
    s3_sync_url: str | None = None
    jwks_url: str
    jwt_issuer: str
    jwt_audience: str
    max_upload_bytes: Annotated[int, msgspec.Meta(ge=1, le=2**40)] = DEFAULT_MAX_BYTES
    max_uploads_at_once: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 64
    max_uploads_per_user: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 8
    upload_min_bytes_per_second: Annotated[int, msgspec.Meta(ge=1)] = 1024
    upload_slow_seconds: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 30.0
    upload_expiry_hours: Annotated[float, msgspec.Meta(gt=0, le=24 * 7)] = 24.0
    sweep_seconds: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 15.0
    orphan_seconds: Annotated[float, msgspec.Meta(ge=1)] = 3600.0
    deletion_delay_hours: Annotated[float, msgspec.Meta(ge=0, le=24 * 365)] = 24.0
    deleted_video_hours: Annotated[float, msgspec.Meta(ge=0, le=24 * 365)] = 24.0
    operator_secret: Key | None = None
    quota_bytes: Annotated[int, msgspec.Meta(ge=0)] = 1024 * 1024**3
    quota_videos: Annotated[int, msgspec.Meta(ge=0)] = 10_000
    quota_open_uploads: Annotated[int, msgspec.Meta(ge=0)] = 50
    quota_encode_minutes: Annotated[int, msgspec.Meta(ge=0)] = 2880
    quota_trusted_factor: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10

    @property
    def quotas(self) -> Quotas:
        """The quota of each role."""
        user = Quota(
            bytes=self.quota_bytes or None,
            videos=self.quota_videos or None,
            open_uploads=self.quota_open_uploads or None,
            encode_minutes=self.quota_encode_minutes or None,
        )
        return Quotas(user, user.times(self.quota_trusted_factor))


class RebuildSettings(Settings, frozen=True, kw_only=True):
    """A rebuild creates tables, so it logs in as their owner, unlike the services."""

    database_admin_url: Secret
