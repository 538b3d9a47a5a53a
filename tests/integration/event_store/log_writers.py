"""Writers that append by SQL, in transactions that a test ends when it likes."""

from typing import TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
INSERT = """
insert into log.events (stream_id, version, event_id, type, schema_version, data, metadata)
values ($1, 1, gen_random_uuid(), 'EmailChanged', 1, jsonb_build_object('user_id', $1::text), '{}')
returning seq
"""


async def order(connection: Connection) -> list[str]:
    rows = await connection.fetch(
        "select stream_id from log.positions join log.events using (seq) order by position"
    )
    return [row[0] for row in rows]
