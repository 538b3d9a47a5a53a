"""``python -m benchmarks.transcode [encode|playable]…``: one line per measurement."""

import asyncio
import sys
import tempfile
from pathlib import Path

from benchmarks.transcode import encode, playable
from tests.integration.transcoder.stage import CLIPS
from tests.support.brokers import own_vhost
from tests.support.buckets import own_buckets
from tests.support.databases import copy_of, migrated_template
from tests.support.real_parts import real_parts

FILM_SECONDS = 40
UPLOADS = 10


def main() -> None:
    """Run what is named, or everything."""
    wanted = sys.argv[1:] or ["encode", "playable"]
    with tempfile.TemporaryDirectory(prefix="cinelog-bench-") as name:
        folder = Path(name)
        if "encode" in wanted:
            say_encode(folder)
        if "playable" in wanted:
            say_playable(folder)


def say_encode(folder: Path) -> None:
    """The split encode beside the single one."""
    source = encode.film(folder, CLIPS / "bigbuckbunny.mp4", FILM_SECONDS)
    seen = encode.compare(source, folder)
    say(
        f"split / single, {FILM_SECONDS} s of 720p: CPU {seen.split_cpu / seen.single_cpu:.3f}"
        f" ({seen.split_cpu:.1f} s / {seen.single_cpu:.1f} s),"
        f" VMAF {seen.split_vmaf - seen.single_vmaf:+.2f} (single {seen.single_vmaf:.1f}),"
        f" worst frame at a chunk's start {seen.worst_start:+.2f},"
        f" size {100 * seen.split_bytes / seen.single_bytes - 100:+.2f} %"
    )


def say_playable(folder: Path) -> None:
    """Upload to playable, on real parts."""
    with real_parts() as urls:
        template = migrated_template(urls.postgres)
        with (
            copy_of(urls.postgres, template) as database,
            own_vhost(urls.amqp, urls.rabbitmq_api) as broker,
            own_buckets(urls) as s3,
        ):
            found = asyncio.run(
                playable.waits(CLIPS / "bigbuckbunny.mp4", UPLOADS, database, broker, s3, folder)
            )
    say(
        f"upload to playable, 720p to be encoded, two workers: p50 {found.median:.2f} s,"
        f" worst {max(found.playable):.2f} s of {len(found.playable)}"
    )


def say(line: str) -> None:
    """Print at once, so that a long run can be followed."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
