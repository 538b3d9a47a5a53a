"""Is it up? Small probes that never raise and never wait longer than a moment.

They run ten times a second while everything starts, so they are made of plain sockets: an HTTP
client would cost more than what it waits for.
"""

import asyncio
import ssl

from deploy.local.process import Check

_PATIENCE = 2.0
ALIVE_PATIENCE = 5.0
"""Seconds that a process has to show that it still works, on a machine that may be busy."""
MISSES_OF_A_PART = 20
"""How often a part may fail to do so: more than a recovery or a full disk's retries take."""
_MOST = 64 * 1024


def answers(
    port: int,
    send: bytes = b"",
    expect: bytes = b"",
    *,
    patience: float = _PATIENCE,
    tls: ssl.SSLContext | None = None,
) -> Check:
    """Up when the port accepts a connection and replies to ``send`` with ``expect`` in it."""

    async def check() -> bool:
        try:
            async with asyncio.timeout(patience):
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
                try:
                    writer.write(send)
                    await writer.drain()
                    return not expect or await _hears(reader, expect)
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False

    return check


def both(first: Check, second: Check) -> Check:
    """Up when the one and the other are."""

    async def check() -> bool:
        return await first() and await second()

    return check


async def _hears(reader: asyncio.StreamReader, expect: bytes) -> bool:
    heard = b""
    while expect not in heard:
        more = await reader.read(4096)
        if not more or len(heard) > _MOST:
            return False
        heard += more
    return True


def serves(
    port: int,
    path: str,
    expect: str = "HTTP/1.1 200 ",
    *,
    patience: float = _PATIENCE,
    tls: ssl.SSLContext | None = None,
) -> Check:
    """Up when ``GET path`` answers 200, or with ``expect`` in it."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    return answers(port, request.encode(), expect.encode(), patience=patience, tls=tls)
