"""The command line ``cinelog``: its groups and its exit codes.

Exit codes: 0 success, 1 failure with a message, 2 wrong usage or settings, 130
interrupted.
"""

import sys
from collections.abc import Callable

import asyncpg
import click
from aio_pika.exceptions import AMQPError

from services.operator.account_commands import accounts
from services.operator.archive_commands import archive
from services.operator.audit_commands import audit
from services.operator.backup_commands import backup
from services.operator.dead_letter_commands import dead_letters
from services.operator.deletion_commands import deletions
from services.operator.disk_commands import disks
from services.operator.job_commands import jobs, reconcile
from services.operator.live_commands import live
from services.operator.log_commands import events
from services.operator.output import Output
from services.operator.projection_commands import projections
from services.operator.scrub_commands import scrub
from services.operator.secret_commands import secrets
from services.operator.tools import BackupTools, Failed, Tools
from shared.errors import CinelogError


def command_line(
    tools: Callable[[Output], Tools], backup_tools: Callable[[Output], BackupTools]
) -> click.Group:
    """The whole of it; ``tools`` and ``backup_tools`` open nothing before a command asks."""

    @click.group(name="cinelog", context_settings={"help_option_names": ["-h", "--help"]})
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    @click.pass_context
    def cinelog(context: click.Context, as_json: bool) -> None:
        """Inspect and repair a running Cinelog."""
        output = Output(json=as_json)
        match context.invoked_subcommand:
            # What is a cluster's needs none of the settings by which services are reached.
            case secrets.name | disks.name:
                context.obj = output
            case backup.name:
                context.obj = backup_tools(output)
            case _:
                context.obj = tools(output)

    for command in (
        audit,
        events,
        projections,
        dead_letters,
        jobs,
        live,
        reconcile,
        scrub,
        deletions,
        accounts,
        archive,
        backup,
        secrets,
        disks,
    ):
        cinelog.add_command(command)
    return cinelog


def run(cinelog: click.Group, arguments: list[str]) -> int:
    """Run one command; returns the exit code. Raises SettingsError."""
    try:
        cinelog.main(arguments, prog_name="cinelog", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except (Failed, CinelogError) as error:
        return _failed(str(error))
    except (OSError, asyncpg.PostgresError, AMQPError) as error:
        return _failed(f"something does not answer: {error!r}")
    return 0


def _failed(problem: str) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"✗ {problem}\n")
    return 1
