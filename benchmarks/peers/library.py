"""The monolith's tables, with the catalog's rows, in a schema of the same database."""

from typing import Final
from urllib.parse import urlencode

import asyncpg

from tests.support.databases import Database

_TABLES: Final = """
create schema peer;
create table peer.users (
    id uuid primary key default gen_random_uuid(), username text not null unique,
    email text not null, password text not null, created_at timestamptz, updated_at timestamptz
);
create table peer.videos (
    id uuid primary key, video text, title text, description text, user_id uuid,
    duration text, thumbnail text, views bigint not null,
    created_at timestamptz, updated_at timestamptz
);
create table peer.tags (id bigserial primary key, name text not null unique);
create table peer.video_tags (video_id uuid, tag_id bigint, primary key (video_id, tag_id));
create table peer.refresh_tokens (
    id bigserial primary key, user_id uuid, token text not null unique,
    expires_at timestamptz, created_at timestamptz
);
insert into peer.users
select id::uuid, username, username || '@example.org', '', registered_at, registered_at
from catalog.users;
insert into peer.videos
select id::uuid, 'http://127.0.0.1/media/' || playlist_key, title, description, user_id::uuid,
       '1:00', 'http://127.0.0.1/media/' || poster_key, views, created_at, updated_at
from catalog.videos;
insert into peer.tags (name) select distinct name from catalog.video_tags order by name;
insert into peer.video_tags
select v.video_id::uuid, t.id from catalog.video_tags v join peer.tags t on t.name = v.name;
create index on peer.videos (created_at desc);
create index on peer.videos (user_id);
analyze peer.users, peer.videos, peer.tags, peer.video_tags;
"""


async def fill_peer(database: Database) -> str:
    """Make and fill the tables; the URL by which the monolith finds them."""
    connection = await asyncpg.connect(database.admin_url)
    try:
        await connection.execute(_TABLES)
    finally:
        await connection.close()
    options = urlencode({"search_path": "peer", "sslmode": "disable"})
    return f"{database.admin_url}?{options}"
