"""An account with thousands of sessions, from before their number had a limit."""

import asyncpg

from services.auth.handlers.session_opener import MAX_ENDED, MAX_SESSIONS
from tests.support.auth_stage import Stage, data

MANY = 20_000
ADD = """
insert into auth.sessions (session_id, user_id, created_at, last_used_at, expires_at, user_agent)
select 'old-' || lpad(n::text, 6, '0'), $1, now() - interval '1 day',
       now() - interval '1 day' + n * interval '1 ms', now() + interval '1 day', ''
from generate_series(1, $2) as n
"""


async def test_a_login_ends_some_of_20000_sessions_and_logging_out_everywhere_all(
    auth: Stage,
) -> None:
    alice = await auth.register("alice")
    owner = await asyncpg.connect(auth.admin_url)
    try:
        await owner.execute(ADD, alice["user"]["id"], MANY)
        for times in (1, 2):
            token = data(await auth.login("alice"))["access_token"]
            ended = "select array_agg(session_id order by session_id) from auth.ended_sessions"
            longest_ago = [f"old-{n:06}" for n in range(1, times * MAX_ENDED + 1)]
            assert await owner.fetchval(ended) == longest_ago
        left = 1 + MANY + 2 - 2 * MAX_ENDED
        assert await owner.fetchval("select count(*) from auth.sessions") == left > MAX_SESSIONS
        data(await auth.call("DELETE", "/users/me/sessions", token=token))
        assert await owner.fetchval("select count(*) from auth.sessions") == 0
    finally:
        await owner.close()
