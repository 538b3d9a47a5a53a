"""A video that is complete and compacted, made once and copied for each test that wants one.

Making it takes two processes and ten runs of ffmpeg; copying it, a database and twenty objects.
"""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import Struct

from deploy.local.parts import Urls
from shared.event_store.postgres import open_event_store
from tests.integration.transcoder.clips import make
from tests.integration.transcoder.stage import Processes, Studio, environment
from tests.integration.transcoder.test_transcoder_compaction import due
from tests.support import threads
from tests.support.brokers import own_vhost
from tests.support.buckets import Buckets, own_buckets
from tests.support.databases import Database, copy_of


class Stored(Struct, frozen=True):
    """An object, as it is put again."""

    data: bytes
    content_type: str
    cache_control: str


class Finished(Struct, frozen=True):
    """``database``: the name of the one that knows the video, to copy; nobody is connected."""

    video_id: str
    database: str
    sources: dict[str, Stored]
    media: dict[str, Stored]

    def put_into(self, buckets: Buckets) -> None:
        """Store the video's objects."""
        client = buckets.client()
        for bucket, objects in ((buckets.sources, self.sources), (buckets.media, self.media)):
            for key, stored in objects.items():
                client.put_object(
                    Bucket=bucket,
                    Key=key,
                    Body=stored.data,
                    ContentType=stored.content_type,
                    CacheControl=stored.cache_control,
                )


@contextmanager
def finished_video(parts: Urls, template: str, folder: Path) -> Iterator[Finished]:
    """Transcode a clip whose SHA-256 is known."""
    with copy_of(parts.postgres, template) as database:
        yield _make(parts, database, folder)


def _make(parts: Urls, database: Database, folder: Path) -> Finished:
    with (
        own_vhost(parts.amqp, parts.rabbitmq_api) as broker,
        own_buckets(parts) as s3,
        ExitStack() as running,
    ):
        processes = Processes(environment(database, broker, s3, folder), folder)
        running.callback(processes.stop)
        processes.relay(database.url("relay"))
        video_id = threads.run(lambda: completed(processes, s3, database, folder))
        return Finished(video_id, database.name, _objects(s3, s3.sources), _objects(s3, s3.media))


async def completed(
    processes: Processes, s3: Buckets, database: Database, folder: Path, *, compacted: bool = True
) -> str:
    """The id of a video that is complete. The processes do not scrub."""
    processes.env["SCRUB_BYTES_PER_SECOND"] = "0"
    processes.planner()
    processes.worker()
    path = make(folder / "a.mp4", seconds=6)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    async with (
        open_event_store(database.url("transcoder")) as store,
        open_event_store(database.admin_url) as others,
    ):
        studio = Studio(store, s3, others)
        video_id = await studio.upload(path, sha256=sha256)
        await studio.wait_for(video_id, "TranscodeCompleted")
        if compacted:
            await due(database, "clean_at")
            await studio.wait_for(video_id, "DownloadsMade")
    return video_id


def _objects(s3: Buckets, bucket: str) -> dict[str, Stored]:
    client = s3.client()
    found: dict[str, Stored] = {}
    for key in s3.keys(bucket):
        answer = client.get_object(Bucket=bucket, Key=key)
        found[key] = Stored(
            answer["Body"].read(), answer["ContentType"], answer.get("CacheControl", "")
        )
    return found
