"""Fills a catalog with made-up videos, without going through the log."""

import hashlib
import uuid

import asyncpg

from tests.support.databases import Database

_FILL = (
    # Users: ``user-0`` has made every hundredth video, all others a few each.
    """
    insert into catalog.users (id, username, username_key, registered_at, deleted)
    select md5('user' || n)::uuid::text, 'user-' || n, 'user-' || n, now(), false
    from generate_series(0, $1::int / 20) n
    """,
    # Words: every title has ``the``, most are of 5,000 words, of which few are frequent.
    """
    create temporary table made on commit drop as
    select n, md5('video' || n)::uuid::text as id,
           md5('user' || case when n % 100 = 0 then 0 else n % ($1::int / 20) + 1 end)::uuid::text
               as user_id,
           (select 'The ' || string_agg('word' || floor(5000 * power(random(), 3))::int, ' ')
            from generate_series(1, 4 + n * 0)) as title,
           (select string_agg('word' || floor(5000 * power(random(), 3))::int, ' ')
            from generate_series(1, 20 + n * 0)) as description,
           array['all', 'tag' || n % 50] as tags,
           timestamptz '2026-01-01' + n * interval '1 minute' as created_at,
           floor(1000 / (0.001 + random()))::bigint as views
    from generate_series(1, $1::int) n
    """,
    """
    insert into catalog.videos (
        id, user_id, title, description, created_at, updated_at, tags, visibility, status,
        playable, listed, duration_ms, width, height, playlist_key, dash_key, poster_key,
        renditions, views, search, live_connected, live_ended, live_kept
    )
    select id, user_id, title, description, created_at, created_at, to_jsonb(tags), 'public',
           'ready', true, true, 60000, 1280, 720, id || '/1/master.m3u8',
           id || '/1/manifest.mpd', id || '/1/poster.webp',
           (select jsonb_agg(jsonb_build_object(
               'name', height || 'p', 'width', height * 16 / 9, 'height', height,
               'bandwidth', height * 3000, 'average_bandwidth', height * 2000,
               'codecs', 'avc1.64001f,mp4a.40.2', 'frame_rate', '30000/1001'
           )) from unnest(array[360, 480, 720]) height),
           views,
           setweight(to_tsvector('simple', title), 'A')
           || setweight(to_tsvector('simple', array_to_string(tags, ' ')), 'B')
           || setweight(to_tsvector('simple', description), 'D'),
           false, false, true
    from made
    """,
    """
    insert into catalog.video_tags (video_id, key, name, public, listed, created_at)
    select id, tag, tag, true, true, created_at from made, unnest(tags) tag
    """,
    """
    insert into catalog.jobs (
        id, user_id, title, description, created_at, updated_at, status, stage, progress,
        playable, attempt, notes
    )
    select id, user_id, title, description, created_at, created_at, 'completed', 'done', 100,
           true, 1, '[]'
    from made
    """,
    """
    insert into catalog.words (word)
    select 'word' || n from generate_series(0, 4999) n union select 'the'
    """,
)


async def fill(database: Database, videos: int) -> None:
    """Make ``videos`` listed videos, their owners, tags, jobs and words."""
    connection = await asyncpg.connect(database.admin_url)
    try:
        async with connection.transaction():
            await connection.execute("select setseed(0.5)")
            for statement in _FILL:
                values = (videos,) if "$1" in statement else ()
                await connection.execute(statement, *values)
        # As autovacuum does: index-only scans need the visibility map, plans need statistics.
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()


def id_of(kind: str, number: int) -> str:
    """The id of a ``user`` (from 0) or a ``video`` (from 1)."""
    return str(uuid.UUID(hashlib.md5(f"{kind}{number}".encode()).hexdigest()))
