"""Roads to the parts of a stack, which may fall silent: TCP proxies on a thread of their own."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class Line:
    """One connection. Once ``dead``, nothing passes in either direction, not even its end."""

    def __init__(self, *, dead: bool) -> None:
        self.dead = dead
        # Kept: a task that nothing else refers to would be collected, and its connection closed.
        self.task = asyncio.current_task()


class SilentRoad:
    """Carries connections to ``target``. While ``silent``, new ones are accepted and dead."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.silent = False
        self._lines: set[Line] = set()

    def mute(self) -> int:
        """Let every connection that is open now be dead for ever; returns how many."""
        lines = [line for line in self._lines if not line.dead]
        for line in lines:
            line.dead = True
        return len(lines)

    async def serve(self) -> asyncio.Server:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(dead=self.silent)
        self._lines.add(line)
        back: asyncio.StreamWriter | None = None
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            await asyncio.gather(_pump(reader, back, line), _pump(there, writer, line))
        except (OSError, asyncio.CancelledError):
            # Cancelled only where the network ends, which waits for nobody.
            pass
        finally:
            self._lines.discard(line)
            writer.close()
            if back is not None:
                back.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, line: Line) -> None:
    while data := await source.read(65536):
        if not line.dead:
            sink.write(data)
            await sink.drain()
    if not line.dead:
        # The other direction has nothing left to say either, in all protocols here.
        sink.close()


class Network:
    """The roads to the parts, by name."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self.roads = {name: SilentRoad(port) for name, port in ports.items()}

    def over(self, text: str) -> str:
        """``text``, its addresses replaced by those of the roads."""
        for road in self.roads.values():
            text = text.replace(f"127.0.0.1:{road.target}", f"127.0.0.1:{road.port}")
        return text


@contextmanager
def network(ports: Mapping[str, int]) -> Iterator[Network]:
    """Roads to these ports, served until left."""
    roads = Network(ports)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def call(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    servers = [call(road.serve()) for road in roads.roads.values()]
    try:
        yield roads
    finally:

        async def close() -> None:
            for server in servers:
                server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        call(close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
