"""Files that are not what they say: a clear failure, nothing leaked, and the worker lives."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from PIL import Image

from shared.contracts import TranscodeCompleted, TranscodeFailed
from tests.integration.transcoder.clips import ffmpeg, make
from tests.integration.transcoder.stage import CLIPS, Processes, Studio

# Of these the checksum is not known, as of what older releases took: only a third try is believed.
UNSUMMED = ("words", "no index", "many tracks")


@asynccontextmanager
async def listener() -> AsyncIterator[tuple[int, list[bytes]]]:
    """An internal service that nobody may reach: its port, and what it was asked."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


def corpus(folder: Path, port: int) -> dict[str, tuple[Path, str]]:
    """Each file and the code that its upload ends with."""
    secret = folder / "secret.mp4"
    make(secret)
    whole = (CLIPS / "bigbuckbunny.mp4").read_bytes()
    picture = folder / "picture.png"
    Image.new("RGB", (640, 480), "red").save(picture)
    url = f"http://127.0.0.1:{port}/internal"
    texts = {
        "playlist": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{url}\n#EXT-X-ENDLIST\n",
        "local playlist": f"#EXTM3U\n#EXTINF:5,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile {secret}\nfile {url}\n",
        "manifest": f'<?xml version="1.0"?><MPD><Period><BaseURL>{url}</BaseURL></Period></MPD>',
        "subtitles": "1\n00:00:01,000 --> 00:00:02,000\nhello\n",
        "redirecting": f"RTSPtext\n{url}\n",
        "words": "not a video at all\n" * 1000,
    }
    cases: dict[str, tuple[bytes, str]] = {
        name: (text.encode(), "media.unreadable") for name, text in texts.items()
    }
    cases["empty"] = (b"", "media.empty")
    cases["picture"] = (picture.read_bytes(), "media.unreadable")
    cases["zeros"] = (bytes(300_000), "media.unreadable")
    cases["no index"] = (whole[: len(whole) // 2], "media.truncated")
    found: dict[str, tuple[Path, str]] = {}
    for name, (data, code) in cases.items():
        path = folder / f"{name.replace(' ', '-')}.mp4"
        path.write_bytes(data)
        found[name] = (path, code)
    found["many tracks"] = (_many_tracks(folder, secret), "media.too_many_streams")
    found["no tracks"] = (_only_subtitles(folder), "media.no_tracks")
    return found


def _many_tracks(folder: Path, clip: Path) -> Path:
    target = folder / "many.mkv"
    maps = [part for _ in range(90) for part in ("-map", "0:a")]
    ffmpeg("-i", str(clip), "-map", "0:v", *maps, "-c", "copy", str(target))
    return target


def _only_subtitles(folder: Path) -> Path:
    words = folder / "words.srt"
    words.write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    target = folder / "words.mkv"
    ffmpeg("-i", str(words), str(target))
    return target


async def test_hostile_files_fail_clearly_and_the_worker_lives(
    processes: Processes, studio: Studio, tmp_path: Path
) -> None:
    processes.planner()
    worker = processes.worker(WORKER_SLOTS="4")
    async with listener() as (port, asked):
        cases = corpus(tmp_path, port)
        ids = {
            name: await studio.upload(
                path,
                sha256=None if name in UNSUMMED else hashlib.sha256(path.read_bytes()).hexdigest(),
            )
            for name, (path, _) in cases.items()
        }
        for name, (_, code) in cases.items():
            failed = await studio.wait_for(
                ids[name], "TranscodeFailed", "TranscodeCompleted", timeout=150
            )
            assert isinstance(failed, TranscodeFailed), name
            assert failed.code == code, (name, failed)
            assert failed.reason.endswith("."), name
            told = f"{failed.reason} {failed.detail}"
            assert "X-Amz" not in told, name
            assert str(tmp_path) not in told, name
            assert await studio.types(ids[name]) == ["TranscodeFailed"], name
        assert asked == []
    assert studio.keys() == []
    fine = await studio.upload(make(tmp_path / "fine.mp4"))
    done = await studio.wait_for(fine, "TranscodeCompleted", "TranscodeFailed")
    assert isinstance(done, TranscodeCompleted)
    assert worker.poll() is None
