"""What every process gets on one machine: the variables that the table of needs lists for it."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct

from deploy.local.database import ROOT
from deploy.local.debian import srt_library, srt_root
from deploy.local.parts import Urls
from deploy.needs import Needs, table

_INHERITED = ("PATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "TZ")
_WORKER = "worker"
RTMP = "rtmp"
"""The port for publishers, among ``port_names``."""
RTMP_PORT = 1935
"""RTMP's own port, taken where it is free."""
SRT = "srt"
SRT_PORT = 9710
"""The port that programs propose for SRT."""
PREFERRED_PORTS = {RTMP: RTMP_PORT, SRT: SRT_PORT}


class Stack(Struct, frozen=True):
    """One instance of Cinelog on one set of parts.

    Raises ValueError for an option that no process has.
    """

    home: Path
    urls: Urls
    port: int
    """Where the gateway listens."""
    ports: Mapping[str, int]
    """Of all other processes; see ``port_names``."""
    secrets: Mapping[str, str]
    workers: int = 2
    sources_bucket: str = "cinelog-sources"
    media_bucket: str = "cinelog-media"
    archive_bucket: str = "cinelog-archive"
    """Where the log is archived; empty: nowhere."""
    options: Mapping[str, str] = {}
    """Further variables, each for the processes that have it as an option."""

    def __post_init__(self) -> None:
        if unknown := sorted(self.options.keys() - table().options):
            raise ValueError(f"no process has the option {', '.join(unknown)}")


def secret_names() -> tuple[str, ...]:
    """The secrets that a stack needs."""
    passwords = (f"role_password_{role}" for role in table().roles)
    return (*passwords, *(_secret_name(key) for key in table().secrets.values()))


def processes(workers: int) -> dict[str, Needs]:
    """What each process needs; with so many workers, of which each is a process."""
    found = dict(table().processes)
    worker = found.pop(_WORKER)
    return found | {worker_name(number): worker for number in range(1, workers + 1)}


def worker_name(number: int) -> str:
    """Of the transcoder's ``number``-th worker, from 1."""
    return f"{_WORKER}-{number}"


def port_names(workers: int) -> tuple[str, ...]:
    """The ports that a stack with so many workers needs besides the gateway's."""
    found = processes(workers)
    return (
        *(name for name in found if name != "gateway"),
        *(metrics_port(name, needs) for name, needs in found.items() if "BIND" in needs.variables),
        RTMP,
        SRT,
    )


def metrics_port(name: str, needs: Needs) -> str:
    """The name of the port at which a process shows metrics: a second one if it has another."""
    return f"{name}_metrics" if "BIND" in needs.variables else name


def environments(stack: Stack) -> dict[str, dict[str, str]]:
    """Each process's environment: what the table lists for it and nothing else."""
    return {
        name: _environment(stack, needs, {**_values(stack), **_own_values(stack, name, needs)})
        for name, needs in processes(stack.workers).items()
    }


def of_fork_server() -> dict[str, str]:
    """What the interpreter and the C library read once, for all processes that are forked."""
    # An arena for each thread keeps memory that no other one uses.
    return {**_chosen(_INHERITED, os.environ), "PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2"}


def tool_environment(stack: Stack, name: str) -> dict[str, str]:
    """The environment of one of the table's tools."""
    needs = table().tools[name]
    return _environment(stack, needs, {**_values(stack), **_login(stack, needs), **_asked()})


def _login(stack: Stack, needs: Needs) -> dict[str, str]:
    password = stack.secrets.get(f"role_password_{needs.role}", "")
    return {"DATABASE_URL": role_url(stack.urls.postgres, needs.role, password)}


def _asked() -> dict[str, str]:
    """Variables that only who asks for a backup can say; empty is not set."""
    return {name: os.environ.get(name, "") for name in ("BACKUP_TARGET", "BACKUP_KEY")}


def role_url(admin_url: str, role: str, password: str) -> str:
    """How a service's role logs in to the database of ``admin_url``."""
    parts = urlsplit(admin_url)
    netloc = f"cinelog_{role}:{password}@{parts.hostname}:{parts.port}"
    return urlunsplit(parts._replace(netloc=netloc))


def _environment(stack: Stack, needs: Needs, values: Mapping[str, str]) -> dict[str, str]:
    every = table().every
    given = (*every.variables, *needs.given(archived=bool(stack.archive_bucket)))
    return {
        **_chosen(_INHERITED, os.environ),
        "PYTHONUNBUFFERED": "1",
        **{name: values[name] for name in given},
        **_chosen(
            (*every.options, *needs.optional(archived=bool(stack.archive_bucket))),
            {**_detected(stack), **stack.options},
        ),
    }


def _detected(stack: Stack) -> dict[str, str]:
    """Options that follow from the parts."""
    sync = {"S3_SYNC_URL": stack.urls.s3_sync} if stack.urls.s3_sync else {}
    library = srt_library(srt_root(stack.home / "packages"))
    srt = {"SRT_BIND": f"127.0.0.1:{stack.ports[SRT]}", "SRT_LIBRARY": str(library)}
    return {**sync, **(srt if library is not None else {})}


def rtmp_url(ports: Mapping[str, int]) -> str:
    """Where publishers on this machine send to."""
    return f"rtmp://127.0.0.1:{ports[RTMP]}/live"


def _chosen(names: Iterable[str], values: Mapping[str, str]) -> dict[str, str]:
    return {name: values[name] for name in names if name in values}


def _values(stack: Stack) -> dict[str, str]:
    """The variables that mean the same to every process."""
    urls, secrets = stack.urls, stack.secrets
    auth, ingest, catalog, planner, live = (
        f"http://127.0.0.1:{stack.ports[name]}"
        for name in ("auth", "ingest", "catalog", "planner", "live")
    )
    return {
        "CINELOG_MODE": "local",
        "DATABASE_ADMIN_URL": urls.postgres,
        "SCRATCH_DATABASE_URL": urls.postgres,
        "AMQP_URL": urls.amqp,
        "REDIS_URL": urls.redis,
        "S3_ENDPOINT": urls.s3_endpoint,
        "S3_REGION": urls.s3_region,
        "S3_ACCESS_KEY": urls.s3_access_key,
        "S3_SECRET_KEY": urls.s3_secret_key,
        "S3_SOURCES_BUCKET": stack.sources_bucket,
        "S3_MEDIA_BUCKET": stack.media_bucket,
        "S3_ARCHIVE_BUCKET": stack.archive_bucket,
        "UPSTREAM_AUTH": auth,
        "UPSTREAM_INGEST": ingest,
        "UPSTREAM_CATALOG": catalog,
        "UPSTREAM_TRANSCODER": planner,
        "UPSTREAM_LIVE": live,
        "AUTH_URL": auth,
        "JWKS_URL": f"{auth}/.well-known/jwks.json",
        "JWT_ISSUER": "cinelog",
        "JWT_AUDIENCE": "cinelog",
        "WEB_ROOT": str(ROOT / "web" / "dist"),
        **{name: secrets[_secret_name(key)] for name, key in table().secrets.items()},
        **{f"ROLE_PASSWORD_{r.upper()}": secrets[f"role_password_{r}"] for r in table().roles},
    }


def _own_values(stack: Stack, name: str, needs: Needs) -> dict[str, str]:
    """The variables that differ between processes."""
    ports = {**stack.ports, "gateway": stack.port}
    return {
        "BIND": f"127.0.0.1:{ports[name]}",
        "METRICS_BIND": f"127.0.0.1:{ports.get(metrics_port(name, needs))}",
        "RTMP_BIND": f"127.0.0.1:{ports[RTMP]}",
        "RTMP_URL": rtmp_url(ports),
        "WHIP": "true",
        "INTERNAL_URL": f"http://127.0.0.1:{ports[name]}",
        **_login(stack, needs),
        "SCRATCH_DIR": str(stack.home / "scratch" / name),
    }


def _secret_name(key: str) -> str:
    """Of a secret in the home folder, by its key in the chart's Secret."""
    return key.replace("-", "_")
