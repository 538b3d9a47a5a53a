"""The transcoder's environment."""

from typing import Annotated, Literal

import msgspec

from shared.settings import Address, Key, Secret, Settings

# Not ultrafast: it does not use the High profile, which the playlists state.
Preset = Literal["superfast", "veryfast", "faster", "fast", "medium", "slow", "slower"]


class TranscoderSettings(Settings, frozen=True, kw_only=True):
    """Settings of the coordinator and of workers; ``s3_sync_url``: see ``blobs.disk_sync``."""

    database_url: Secret
    amqp_url: Secret
    s3_endpoint: str
    s3_region: str = "us-east-1"
    s3_access_key: str | None = None
    s3_secret_key: Secret | None = None
    s3_media_bucket: str
    s3_sync_url: str | None = None


class CoordinatorSettings(TranscoderSettings, frozen=True, kw_only=True):
    """Settings of the coordinator, which also serves the job routes.

    ``orphan_seconds``: how old an object that nothing refers to must be to be listed for deletion.
    ``deletion_delay_hours``: how long it stays listed before it is deleted;
    ``deleted_video_hours``: the same for the objects of a deleted video.

    A request that carries ``operator_secret`` may reconcile, scrub, and retry and cancel any job.

    ``scrub_bytes_per_second``: how fast stored objects are read and compared with the log; 0
    switches that off. ``scrub_days``: between two scrubs of a video.

    What an account may have tried again in a day: ``max_retries_per_video``,
    ``max_retries_per_day`` of all its videos, ``max_retry_minutes`` of their sources.
    """

    bind: Address
    s3_sources_bucket: str
    jwks_url: str
    jwt_issuer: str
    jwt_audience: str
    orphan_seconds: Annotated[float, msgspec.Meta(ge=1)] = 3600.0
    deletion_delay_hours: Annotated[float, msgspec.Meta(ge=0, le=24 * 365)] = 24.0
    deleted_video_hours: Annotated[float, msgspec.Meta(ge=0, le=24 * 365)] = 24.0
    scrub_bytes_per_second: Annotated[int, msgspec.Meta(ge=0)] = 2 << 20
    scrub_days: Annotated[float, msgspec.Meta(ge=0)] = 7.0
    operator_secret: Key | None = None
    max_retries_per_video: Annotated[int, msgspec.Meta(ge=0)] = 5
    max_retries_per_day: Annotated[int, msgspec.Meta(ge=0)] = 50
    max_retry_minutes: Annotated[int, msgspec.Meta(ge=0)] = 1440


class WorkerSettings(TranscoderSettings, frozen=True, kw_only=True):
    """Settings of a worker.

    ``worker_slots``: tasks of each queue at a time. ``worker_threads``: threads of one encode.
    ``worker_memory_bytes``: memory of one ffmpeg; without it, what the container has to spare.
    ``scratch_reserve_bytes``: free bytes in ``scratch_dir`` that starting a task needs.
    ``drain_seconds``: time for running tasks at a stop.
    ``extra_codecs``: codecs besides H.264 in which the ladder is encoded. ``hdr_codecs``: those in
    which it is encoded as HDR, of HDR sources whose uploader does not decide; ``hdr_on_request``:
    the one for uploaders who ask where there is none.
    """

    metrics_bind: Address
    s3_sources_bucket: str
    scratch_dir: str
    scratch_reserve_bytes: Annotated[int, msgspec.Meta(ge=0)] = 2 << 30
    worker_slots: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    worker_threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    worker_memory_bytes: Annotated[int, msgspec.Meta(ge=1 << 29)] | None = None
    drain_seconds: Annotated[float, msgspec.Meta(ge=0)] = 20.0
    x264_preset: Preset = "veryfast"
    extra_codecs: tuple[Literal["hevc", "av1"], ...] = ()
    hdr_codecs: tuple[Literal["hevc", "av1"], ...] = ()
    hdr_on_request: Literal["hevc", "av1", "never"] = "hevc"
    ffmpeg: str | None = None
    ffprobe: str | None = None


class RebuildSettings(Settings, frozen=True, kw_only=True):
    """A rebuild creates tables, so it logs in as their owner, unlike the services."""

    database_admin_url: Secret
