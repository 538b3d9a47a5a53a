"""``cinelog accounts …``: what accounts use, and whom an operator trusts with more."""

import asyncio
from typing import Any

import click

from services.operator.tools import Failed, Tools

_USAGE = """
select coalesce(s.user_id, r.user_id) as user_id, coalesce(r.role, 'user') as role,
       coalesce(s.videos, 0) as videos, coalesce(s.bytes, 0) as bytes,
       coalesce((select ms from ingest.planned_days p
                 where p.user_id = s.user_id and p.day = (now() at time zone 'utc')::date), 0)
           / 60000 as minutes_today,
       (select count(*) from ingest.uploads u
        where u.user_id = s.user_id and u.phase = 'open') as open_uploads
from ingest.stored_sums s full join ingest.account_roles r using (user_id)
where $1::text is null or coalesce(s.user_id, r.user_id) = $1
order by bytes desc, user_id limit 100
"""
_ROLE = """
insert into ingest.account_roles (user_id, role) values ($1, $2)
on conflict (user_id) do update set role = excluded.role
"""
_COLUMNS = ("user_id", "role", "videos", "bytes", "minutes_today", "open_uploads")
_ROLES = ("user", "trusted")


@click.group("accounts")
def accounts() -> None:
    """Show what accounts use, and give them a role."""


@accounts.command()
@click.argument("user", required=False)
@click.pass_obj
def usage(tools: Tools, user: str | None) -> None:
    """What an account uses, by its id, or the 100 accounts that store most."""

    async def run() -> list[dict[str, Any]]:
        async with tools.connect() as connection:
            return [dict(row) for row in await connection.fetch(_USAGE, user)]

    tools.output.rows(asyncio.run(run()), _COLUMNS, "Nothing is stored.")


@accounts.command()
@click.argument("user")
@click.argument("role", type=click.Choice(_ROLES))
@click.pass_obj
def role(tools: Tools, user: str, role: str) -> None:
    """Give an account a role: what it may use depends on it."""

    async def run() -> bool:
        async with tools.connect() as connection:
            known = await connection.fetchval(
                "select exists (select from auth.accounts where user_id = $1)", user
            )
            if known:
                await connection.execute(_ROLE, user, role)
            return bool(known)

    if not asyncio.run(run()):
        raise Failed(f"There is no account {user}.")
    tools.output.show({"user_id": user, "role": role}, f"{user} is {role}.")
