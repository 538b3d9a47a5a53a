"""A process that receives by SRT and ends when its input does, in the midst of whatever comes in.

``python -m tests.support.srt_process LIBRARY tidy|abrupt`` prints its port. ``tidy`` closes the
listener first, as the service does where nothing fails.
"""

import asyncio
import sys

from services.live.srt.library import Library
from services.live.srt.listener import Connection, Listener
from services.live.srt.listening import Admitted


async def _take(connection: Connection) -> None:
    while await connection.read():
        pass


async def main(path: str, way: str) -> None:
    listener = Listener(Library(path), admit=lambda *_: Admitted(), serve=_take, latency_ms=120)
    sys.stdout.write(f"{listener.open('127.0.0.1', 0)}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    if way == "tidy":
        await listener.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
