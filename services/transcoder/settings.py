"""The transcoder's environment."""

from typing import Annotated, Literal

import msgspec

from shared.settings import Address, Key, Secret, Settings

# Not ultrafast: it leaves the High profile, which the playlists promise.
Preset = Literal["superfast", "veryfast", "faster", "fast", "medium", "slow", "slower"]


class TranscoderSettings(Settings, frozen=True, kw_only=True):
    """What planner and workers both need. ``s3_sync_url``: see ``shared.blobs.disk_sync``."""

    database_url: Secret
    amqp_url: Secret
    s3_endpoint: str
    s3_region: str = "us-east-1"
    s3_access_key: str
    s3_secret_key: Secret
    s3_media_bucket: str
    s3_sync_url: str | None = None


class CoordinatorSettings(TranscoderSettings, frozen=True, kw_only=True):
    """The planner: also serves the job routes.

    ``orphan_seconds``: how long an object that nothing refers to is left alone. With an
    ``operator_secret``, whoever knows it may reconcile, and retry and cancel any job.
    """

    bind: Address
    jwks_url: str
    jwt_issuer: str
    jwt_audience: str
    orphan_seconds: Annotated[float, msgspec.Meta(ge=1)] = 3600.0
    operator_secret: Key | None = None


class WorkerSettings(TranscoderSettings, frozen=True, kw_only=True):
    """A worker. ``worker_slots``: tasks of each queue at a time; ``worker_threads``: per encode.

    ``scratch_reserve_bytes`` must be free in ``scratch_dir`` for a task to start;
    ``worker_memory_bytes`` is address space of one ffmpeg. ``extra_codecs``: the ladder once more
    in each of these.
    """

    metrics_bind: Address
    s3_sources_bucket: str
    scratch_dir: str
    scratch_reserve_bytes: Annotated[int, msgspec.Meta(ge=0)] = 2 << 30
    worker_slots: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    worker_threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    worker_memory_bytes: Annotated[int, msgspec.Meta(ge=1 << 29)] = 8 << 30
    drain_seconds: Annotated[float, msgspec.Meta(ge=0)] = 20.0
    x264_preset: Preset = "veryfast"
    extra_codecs: tuple[Literal["hevc", "av1"], ...] = ()
    ffmpeg: str | None = None
    ffprobe: str | None = None
