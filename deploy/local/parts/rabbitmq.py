"""RabbitMQ: Debian's package, the installed one or unpacked into a folder of ours.

A node of its own: own cookie, own epmd on an own port, everything on loopback, so that it meets
neither a system-wide RabbitMQ nor another set of parts.
"""

import asyncio
import hashlib
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from deploy.local import checks, debian
from deploy.local.parts.plain_paths import plain
from deploy.local.process import Process, Step, Task

PORTS = ("amqp", "rabbitmq_api", "rabbitmq_distribution", "epmd")
USER = "cinelog"
# AMQP's protocol header, which a broker answers with its name; epmd's NAMES request, with its port.
_AMQP = b"AMQP\x00\x00\x09\x01"
_NAMES_REQUEST = b"\x00\x01n"
_COOKIE = re.compile(rb"[A-Z]{20}")

# A worker acknowledges a task after its commit; the longest chunk stays far below this.
_CONSUMER_TIMEOUT_MS = 15 * 60 * 1000


def steps(
    home: Path, ports: Mapping[str, int], password: str, packages: Path, *, management: bool
) -> tuple[Step, ...]:
    """Get the package, then epmd, then the node.

    ``management`` adds its HTTP API, which costs seconds at each start and stop; a port named
    ``rabbitmq_metrics`` its figures for Prometheus.
    """
    (home / "rabbitmq").mkdir(parents=True, exist_ok=True)
    # Its scripts do not quote paths.
    folder, root = plain(
        home, {"rabbitmq": home / "rabbitmq", "root": debian.rabbitmq_root(packages)}
    )
    environment = _environment(folder, ports, str(home / "rabbitmq"))

    async def install() -> None:
        if not root.exists():
            leave_out = debian.RABBITMQ_LEAVES_OUT
            await asyncio.to_thread(debian.unpack, debian.RABBITMQ, root, leave_out)
        _write_launchers(folder / "bin", root)
        _write_configuration(folder, ports, password, management)

    epmd_port = ports["epmd"]
    return (
        Task(name="rabbitmq-package", run=install),
        Process(
            name="epmd",
            argv=(str(folder / "bin" / "epmd"),),
            folder=folder,
            env=environment,
            ready=checks.answers(epmd_port),
            alive=checks.answers(
                epmd_port, _NAMES_REQUEST, epmd_port.to_bytes(4), patience=checks.ALIVE_PATIENCE
            ),
            misses=checks.MISSES_OF_A_PART,
            needs=frozenset({"rabbitmq-package"}),
        ),
        Process(
            name="rabbitmq",
            argv=(str(folder / "bin" / "rabbitmq-server"),),
            folder=folder,
            env=environment,
            ready=checks.answers(ports["amqp"], _AMQP, b"RabbitMQ"),
            alive=checks.answers(ports["amqp"], _AMQP, b"RabbitMQ", patience=checks.ALIVE_PATIENCE),
            misses=checks.MISSES_OF_A_PART,
            needs=frozenset({"epmd"}),
            # Messages are hints: projections read the log, tasks are sent again.
            expendable=folder / "data",
            grace=30.0,
        ),
    )


def _write_launchers(folder: Path, root: Path) -> None:
    # Debian's own scripts have their paths built in and switch users.
    erlang = root / "usr" / "lib" / "erlang"
    runtime = next(erlang.glob("erts-*/bin"))
    server = next((root / "usr" / "lib" / "rabbitmq" / "lib").glob("rabbitmq_server-*/sbin"))
    folder.mkdir(exist_ok=True)
    exports = {
        "ROOTDIR": str(erlang),
        "BINDIR": str(runtime),
        "EMU": "beam",
        "PROGNAME": "erl",
    }
    # What a bare system lacks of Erlang's libraries was unpacked along with it.
    if root.name:
        folders = (*root.glob("usr/lib/*-linux-gnu"), *root.glob("lib/*-linux-gnu"))
        exports["LD_LIBRARY_PATH"] = ":".join(map(str, folders))
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in exports.items())
    programs = {
        "erl": runtime / "erlexec",
        "epmd": runtime / "epmd",
        "rabbitmq-server": server / "rabbitmq-server",
        "rabbitmqctl": server / "rabbitmqctl",
    }
    scripts = {
        name: f'export {variables}\nexec {shlex.quote(str(program))} "$@"'
        for name, program in programs.items()
    }
    for name, body in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)


def _write_configuration(
    folder: Path, ports: Mapping[str, int], password: str, management: bool
) -> None:
    settings = {
        "listeners.tcp.default": f"127.0.0.1:{ports['amqp']}",
        "default_user": USER,
        "default_pass": password,
        "default_user_tags.administrator": "true",
        "consumer_timeout": str(_CONSUMER_TIMEOUT_MS),
        "disk_free_limit.absolute": "200MB",
        "vm_memory_high_watermark.absolute": "512MB",
        "log.console": "true",
        "log.console.level": "warning",
        "log.file": "false",
    }
    if management:
        settings |= {
            "management.tcp.ip": "127.0.0.1",
            "management.tcp.port": str(ports["rabbitmq_api"]),
        }
    plugins = ["rabbitmq_management"] if management else []
    if "rabbitmq_metrics" in ports:
        plugins.append("rabbitmq_prometheus")
        settings |= {
            "prometheus.tcp.ip": "127.0.0.1",
            "prometheus.tcp.port": str(ports["rabbitmq_metrics"]),
        }
    cookie = folder / ".erlang.cookie"
    if cookie.exists() and not _COOKIE.fullmatch(cookie.read_bytes()):
        cookie.unlink()  # Erlang makes one where there is none, and ends where there is half of one
    config = folder / "rabbitmq.conf"
    config.touch(mode=0o600)
    config.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
    (folder / "plugins").write_text(f"[{','.join(plugins)}].\n")


def _environment(folder: Path, ports: Mapping[str, int], place: str) -> dict[str, str]:
    # The name is the node's identity and names its data: the same for the same place.
    identity = hashlib.sha256(place.encode()).hexdigest()[:10]
    loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
    return {
        "HOME": str(folder),
        "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"cinelog-{identity}@localhost",
        "RABBITMQ_DIST_PORT": str(ports["rabbitmq_distribution"]),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none.conf"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_SCHEMA_DIR": str(folder / "schema"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
        # Run in the foreground as this very process rather than under a shell.
        "RUNNING_UNDER_SYSTEMD": "true",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"+S 2:2 +sbwt none {loopback}",
    }
