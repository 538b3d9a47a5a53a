"""``python -m benchmarks.transcode [SECTION]…``: one line per measurement; see README.md.

Sections: encode, workers, images, av1, reads, playable, long, simulate.
"""

import asyncio
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.transcode import (
    encode,
    extra_codecs,
    images,
    long_sources,
    playable,
    reads,
    simulate,
    workers,
)
from tests.integration.transcoder.stage import CLIPS
from tests.support.brokers import own_vhost
from tests.support.buckets import own_buckets
from tests.support.databases import copy_of, migrated_template
from tests.support.ending import end_on_signals
from tests.support.real_parts import real_parts

CLIP = CLIPS / "bigbuckbunny.mp4"
ENCODE_SECONDS = 120
FILM_SECONDS = 40
SHORT_SECONDS = 12
IMAGES_SECONDS = 120
READS_MINUTES = 10
PAIRS = 5
UPLOADS = 10


def main() -> int:
    """Run what is named, or everything."""
    wanted = sys.argv[1:] or list(SECTIONS)
    unknown = [name for name in wanted if name not in SECTIONS]
    if unknown:
        say(f"no such section: {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
        return 2
    for name in wanted:
        with tempfile.TemporaryDirectory(prefix="cinelog-bench-") as folder:
            SECTIONS[name](Path(folder))
    return 0


def say_encode(folder: Path) -> None:
    """The split encode beside the single one."""
    source = encode.film(folder, CLIP, ENCODE_SECONDS)
    seen = encode.compare(source, folder, PAIRS)
    say(
        f"split / single, {ENCODE_SECONDS} s of 720p: CPU {spread(seen.ratios)}"
        f" ({statistics.median(seen.split_cpu):.1f} s"
        f" / {statistics.median(seen.single_cpu):.1f} s),"
        f" VMAF {seen.split_vmaf - seen.single_vmaf:+.2f} (single {seen.single_vmaf:.1f}),"
        f" worst frame at a chunk's start {seen.worst_start:+.2f},"
        f" size {100 * seen.split_bytes / seen.single_bytes - 100:+.2f} %"
    )


def say_workers(folder: Path) -> None:
    """Two workers beside one; only a machine with two idle cores can tell."""
    source = encode.film(folder, CLIP, FILM_SECONDS)
    found: list[float] = []
    for number in range(PAIRS):
        own = folder / str(number)
        own.mkdir()
        one, two = workers.walls(source, own)
        found.append(one / two)
    say(f"two one-thread workers / one, {FILM_SECONDS} s of 720p: {spread(found)} times as fast")


def say_images(folder: Path) -> None:
    """Poster, preview and storyboard beside the encode."""
    seen = images.share(encode.film(folder, CLIP, IMAGES_SECONDS), folder)
    say(
        f"images / encode, {IMAGES_SECONDS} s of 720p: {100 * seen.images / seen.encode:.2f} %"
        f" ({seen.images:.2f} s / {seen.encode:.1f} s)"
    )


def say_av1(folder: Path) -> None:
    """The AV1 ladder beside the H.264 ladder."""
    seen = extra_codecs.beside(encode.film(folder, CLIP, SHORT_SECONDS), folder, PAIRS)
    ratios = [a / b for a, b in zip(seen.av1_cpu, seen.h264_cpu, strict=True)]
    say(
        f"AV1 / H.264, {SHORT_SECONDS} s of 720p: CPU {spread(ratios)},"
        f" bits at VMAF {seen.vmaf:.1f}: {seen.av1_bytes / seen.h264_bytes:.3f}"
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
            found = asyncio.run(playable.waits(CLIP, UPLOADS, database, broker, s3, folder))
    say(
        f"upload to playable, 5 s of 720p, two workers: p50 {found.median:.2f} s,"
        f" worst {max(found.playable):.2f} s of {len(found.playable)}"
    )


def say_reads(folder: Path) -> None:
    """Bytes that picture tasks read of a source."""
    for fit in (True, False):
        source = long_sources.long_film(folder, CLIP, READS_MINUTES, fit=fit)
        found = asyncio.run(reads.reads(source, folder))
        say(
            f"bytes read / source size, {READS_MINUTES} min of 1080p, key frames every"
            f" {2 if fit else 10} s: {found.ratio:.3f} in {found.requests} requests"
        )


def say_long(folder: Path) -> None:
    """Upload to playable for long sources, shown as they are and encoded."""
    for minutes, fit in ((10, True), (60, True), (10, False)):
        source = long_sources.long_film(folder, CLIP, minutes, fit=fit)
        with real_parts() as urls:
            template = migrated_template(urls.postgres)
            with (
                copy_of(urls.postgres, template) as database,
                own_vhost(urls.amqp, urls.rabbitmq_api) as broker,
                own_buckets(urls) as s3,
            ):
                waiting = long_sources.waits(source, UPLOADS, database, broker, s3, folder)
                found = asyncio.run(waiting)
        say(
            f"upload to playable, {minutes} min of 1080p"
            f" {'shown as it is' if found.passthrough else 'to be encoded'}, two workers:"
            f" p50 {found.median:.2f} s, worst {max(found.playable):.2f} s of {UPLOADS}"
        )
        source.unlink()


def say_simulate(_folder: Path) -> None:
    """A film of two hours on more and more cores, and two users beside one another."""
    for count, threads in ((1, 1), (8, 1), (25, 1), (100, 1), (50, 2), (25, 4), (200, 1)):
        film = simulate.film("film", "user", 0.0, 7200.0)
        out = simulate.simulate([film], count, threads)["film"]
        say(
            f"simulated, 2 h of 1080p, {count} workers of {threads} threads:"
            f" playable {out.playable:.1f} s, complete {out.complete:.0f} s"
            f" ({7200 / out.complete:.1f} x real time), busy {100 * out.busy:.0f} %,"
            f" an early watcher waits {out.starved:.0f} s"
        )
    many = [simulate.film(f"a{n}", "a", 0.0, 600.0) for n in range(100)]
    found = simulate.simulate([*many, simulate.film("b", "b", 60.0, 600.0)], 100)
    say(
        f"simulated, one user's film of 10 min a minute after another's hundred, 100 workers:"
        f" playable {found['b'].playable:.0f} s, complete {found['b'].complete:.0f} s;"
        f" the hundred complete {max(found[f'a{n}'].complete for n in range(100)):.0f} s"
    )


def spread(values: Sequence[float]) -> str:
    """The median, and the least and the most."""
    return f"{statistics.median(values):.3f} ({min(values):.3f} … {max(values):.3f})"


def say(line: str) -> None:
    """Print at once, so that a long run can be followed."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


SECTIONS: dict[str, Callable[[Path], None]] = {
    "encode": say_encode,
    "workers": say_workers,
    "images": say_images,
    "av1": say_av1,
    "reads": say_reads,
    "playable": say_playable,
    "long": say_long,
    "simulate": say_simulate,
}


if __name__ == "__main__":
    end_on_signals()
    sys.exit(main())
