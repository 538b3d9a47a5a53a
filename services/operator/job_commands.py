"""``cinelog jobs …`` and ``cinelog reconcile``: requests to the owning services."""

import asyncio
from typing import Any

import click
import msgspec

from services.operator.services import Refused
from services.operator.tools import Failed, Tools
from shared.errors import CinelogError
from shared.reconciliation import Findings

_SHOW = """
select j.video_id, j.user_id, j.state, j.attempt, j.playable,
       coalesce(json_agg(json_build_object(
           'task', t.task_id, 'state', t.state, 'tries', t.tries, 'worker', t.worker,
           'progress', t.progress, 'error', t.error) order by t.place)
           filter (where t.task_id is not null), '[]')::text as tasks
from transcoder.jobs j left join transcoder.tasks t using (video_id)
where j.video_id = $1 group by 1, 2, 3, 4, 5
"""


@click.group("jobs")
def jobs() -> None:
    """Show, retry and cancel jobs."""


@jobs.command()
@click.argument("job")
@click.pass_obj
def show(tools: Tools, job: str) -> None:
    """Show a job as the coordinator sees it, and its open tasks."""

    async def run() -> dict[str, Any] | None:
        async with tools.connect() as connection:
            row = await connection.fetchrow(_SHOW, job)
            return dict(row) if row else None

    found = asyncio.run(run())
    if found is None:
        raise Failed("There is no such job.")
    found["tasks"] = msgspec.json.decode(found["tasks"])
    tools.output.show(found)


@jobs.command()
@click.argument("job")
@click.pass_obj
def retry(tools: Tools, job: str) -> None:
    """Retry a job that failed or was cancelled."""
    _ask(tools, job, "retry")


@jobs.command()
@click.argument("job")
@click.pass_obj
def cancel(tools: Tools, job: str) -> None:
    """Cancel a job in progress."""
    _ask(tools, job, "cancel")


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.pass_obj
def reconcile(tools: Tools, dry_run: bool) -> None:
    """Compare log, tables, queues and buckets now, and repair differences."""

    async def run() -> list[Findings]:
        async with tools.services() as services:
            return [await services.reconcile(name, dry_run=dry_run) for name in services.names]

    try:
        found = asyncio.run(run())
    except (CinelogError, Refused) as error:
        raise Failed(str(error)) from error
    rows = [
        {
            "service": each.service,
            "action": finding.action,
            "subject": finding.subject,
            "detail": finding.detail,
            "done": not dry_run,
        }
        for each in found
        for finding in each.findings
    ]
    columns = ("service", "action", "subject", "detail")
    tools.output.rows(rows, columns, "Everything is as it should be.")


def _ask(tools: Tools, job: str, what: str) -> None:
    async def run() -> dict[str, Any]:
        async with tools.services() as services:
            return await services.job(job, what)

    try:
        answer = asyncio.run(run())
    except (CinelogError, Refused) as error:
        raise Failed(str(error)) from error
    tools.output.show(answer, answer["message"])
