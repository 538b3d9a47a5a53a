"""The command line of a service's ``main`` module: which role or command runs."""

import resource
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from shared import settings, telemetry
from shared.host.host import Host, Process, open_host, run_process
from shared.http import server
from shared.settings import Settings, SettingsError

S = TypeVar("S", bound=Settings)


class Role(msgspec.Struct, Generic[S], frozen=True):
    """A process that runs until it is stopped. ``service`` names it in logs and traces."""

    service: str
    settings: type[S]
    compose: Callable[[S, Host], Awaitable[Process]]


class Command(msgspec.Struct, Generic[S], frozen=True):
    """Something that ends by itself. ``service`` names it in logs and traces."""

    service: str
    settings: type[S]
    run: Callable[[S], Awaitable[None]]


def run_entry(
    entries: Mapping[str, Role[S] | Command[S]],
    arguments: Sequence[str],
    env: Mapping[str, str],
) -> None:
    """Run the entry that the arguments name; a service of one role names it ``""``.

    Raises SettingsError where there is no such entry or a setting is wrong.
    """
    entry = entries.get(" ".join(arguments))
    if entry is None:
        names = ", ".join(name or "no argument" for name in entries)
        raise SettingsError(f"say what to run: {names}")
    config = settings.load(entry.settings, env)
    telemetry.configure(entry.service, config.cinelog_mode, config.otel_exporter_otlp_endpoint)
    if isinstance(entry, Command):
        command = entry.run
        server.run(lambda: command(config))
    else:
        role = entry
        server.run(lambda: run_role(role, config))


async def run_role(role: Role[S], config: S) -> None:
    """Compose the role's process and run it until it is stopped."""
    _raise_limit_of_open_files()
    async with open_host(config.otel_exporter_otlp_endpoint) as host:
        await run_process(await role.compose(config, host))


def _raise_limit_of_open_files() -> None:
    """Use what the system allows: a shell's own limit of 1,024 ends at a thousand connections."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
