"""Is it up? Small probes that never raise and never wait longer than a second or two."""

import asyncio

import httpx

from deploy.local.process import Check

_PATIENCE = 2.0


def answers(port: int, send: bytes = b"", expect: bytes = b"") -> Check:
    """Up when the port accepts a connection and, given ``expect``, replies to ``send`` with it."""

    async def check() -> bool:
        try:
            async with asyncio.timeout(_PATIENCE):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    writer.write(send)
                    await writer.drain()
                    return not expect or expect in await reader.read(4096)
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False

    return check


def serves(url: str, *statuses: int) -> Check:
    """Up when ``GET url`` answers with one of ``statuses`` (200 if none is given)."""

    async def check() -> bool:
        try:
            async with httpx.AsyncClient(timeout=_PATIENCE, trust_env=False) as client:
                return (await client.get(url)).status_code in (statuses or (200,))
        except httpx.HTTPError:
            return False

    return check
