"""Every process of Cinelog on one machine: what it is given, and what it waits for."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct

from deploy.local import checks
from deploy.local.database import ROOT, fingerprint, modules
from deploy.local.parts import Urls
from deploy.local.process import Process, Step, Task

_ROLES = ("auth", "ingest", "transcoder", "catalog", "relay", "operator")
SECRETS = (
    *(f"role_password_{role}" for role in _ROLES),
    "media_grant_secret",
    "signing_key_secret",
    "operator_secret",
)

# Chosen by whoever runs it; all the rest is derived.
PASSED_ON = (
    *("PUBLIC_URL", "CORS_ORIGINS", "CSP_ORIGINS", "TRUSTED_PROXIES", "MEDIA_REDIRECT_BASE"),
    *("MAX_UPLOAD_BYTES", "WORKER_THREADS", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    *("RATE_LIMIT_GENERAL", "RATE_LIMIT_AUTH", "RATE_LIMIT_MEDIA", "RATE_LIMIT_HEALTH"),
    *("LOGIN_BURST", "LOGIN_REFILL_SECONDS"),
    *("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_RESOURCE_ATTRIBUTES"),
    *("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_METRIC_EXPORT_INTERVAL"),
)
_INHERITED = ("PATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "TZ")


class Stack(Struct, frozen=True):
    """One instance of Cinelog on one set of parts."""

    home: Path
    urls: Urls
    port: int
    """Where the gateway listens."""
    ports: Mapping[str, int]
    """Everybody else's; see ``port_names``."""
    secrets: Mapping[str, str]
    workers: int = 2
    sources_bucket: str = "cinelog-sources"
    media_bucket: str = "cinelog-media"
    archive_bucket: str = "cinelog-archive"
    """Where the log is archived; empty: nowhere."""
    options: Mapping[str, str] = {}
    """Further variables, for every service: see PASSED_ON."""


def port_names(workers: int) -> tuple[str, ...]:
    """The ports that a stack with so many workers needs besides the gateway's."""
    names = ("auth", "ingest", "catalog", "planner", "projector", "relay", "reconciler")
    return (
        *names,
        *(f"{name}_metrics" for name in ("gateway", "projector", "planner", "relay")),
        *(worker_name(number) for number in range(1, workers + 1)),
    )


def worker_name(number: int) -> str:
    """Of the transcoder's ``number``-th worker, from 1."""
    return f"worker-{number}"


def steps(stack: Stack, after: frozenset[str] = frozenset()) -> tuple[Step, ...]:
    """Migrations, buckets and all services; ``after`` names the parts that they stand on."""

    def on(*parts: str) -> frozenset[str]:
        return after & frozenset(parts)

    ports, env = stack.ports, environments(stack)
    migrated = frozenset({"migrations"}) | on("postgres")
    stored = migrated | {"buckets"} | on("seaweedfs")
    needs = {
        "auth": migrated | on("valkey"),
        "ingest": stored,
        "catalog": migrated,
        "projector": migrated,
        "planner": stored,
        "relay": migrated,
        "reconciler": migrated,
        "gateway": on("valkey", "seaweedfs"),
    }
    needs |= {worker_name(number): stored for number in range(1, stack.workers + 1)}
    return (
        Task("migrations", lambda: _migrate(stack), on("postgres")),
        Task("buckets", lambda: _create_buckets(stack), on("seaweedfs")),
        # Nobody waits for RabbitMQ, the slowest to start: each service waits by itself, as it
        # does when the broker goes away later.
        *(_service(stack, env, name, ports, needs[name]) for name in needs),
    )


_COMMANDS = {
    "gateway": ("services.gateway.main",),
    "auth": ("services.auth.main",),
    "ingest": ("services.ingest.main",),
    "catalog": ("services.catalog.main", "api"),
    "projector": ("services.catalog.main", "projector"),
    "planner": ("services.transcoder.main", "planner"),
    "worker": ("services.transcoder.main", "worker"),
    "relay": ("services.relay.main",),
    "reconciler": ("services.operator.main", "reconciler"),
}


def _service(
    stack: Stack,
    env: Mapping[str, Mapping[str, str]],
    name: str,
    ports: Mapping[str, int],
    needs: frozenset[str],
) -> Process:
    kind = "worker" if name.startswith("worker-") else name
    port = stack.port if name == "gateway" else ports[name]
    return Process(
        name=name,
        argv=(sys.executable, "-m", *_COMMANDS[kind]),
        folder=ROOT,
        env=env[name],
        ready=checks.serves(port, "/ready"),
        needs=needs,
        # A worker finishes its chunk or hands it back; an upload in flight may take a while.
        grace=30.0,
        front=name == "gateway",
    )


def environments(stack: Stack) -> dict[str, dict[str, str]]:
    """Each process's environment: what it needs and nothing else, above all no other's secret."""
    urls, ports, secrets = stack.urls, stack.ports, stack.secrets
    base = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    base |= {"CINELOG_MODE": "local", "PYTHONUNBUFFERED": "1", **stack.options}
    s3 = {
        "S3_ENDPOINT": urls.s3_endpoint,
        "S3_REGION": urls.s3_region,
        "S3_ACCESS_KEY": urls.s3_access_key,
        "S3_SECRET_KEY": urls.s3_secret_key,
        "S3_SOURCES_BUCKET": stack.sources_bucket,
        "S3_MEDIA_BUCKET": stack.media_bucket,
    }
    amqp = {"AMQP_URL": urls.amqp}
    redis = {"REDIS_URL": urls.redis}
    grants = {"MEDIA_GRANT_SECRET": secrets["media_grant_secret"]}
    tokens = {
        "JWKS_URL": f"http://127.0.0.1:{ports['auth']}/.well-known/jwks.json",
        "JWT_ISSUER": "cinelog",
        "JWT_AUDIENCE": "cinelog",
    }

    def at(name: str) -> dict[str, str]:
        return {"BIND": f"127.0.0.1:{ports[name]}"}

    def metrics(name: str) -> dict[str, str]:
        return {"METRICS_BIND": f"127.0.0.1:{ports[name]}"}

    def database(role: str) -> dict[str, str]:
        return {"DATABASE_URL": role_url(urls.postgres, role, secrets[f"role_password_{role}"])}

    upstreams = {
        f"UPSTREAM_{service.upper()}": f"http://127.0.0.1:{ports[port]}"
        for service, port in (
            *(("auth", "auth"), ("ingest", "ingest")),
            *(("catalog", "catalog"), ("transcoder", "planner")),
        )
    }
    operator = {"OPERATOR_SECRET": secrets["operator_secret"]}
    owners = {name: upstreams[name] for name in ("UPSTREAM_INGEST", "UPSTREAM_TRANSCODER")}
    signing = {"SIGNING_KEY_SECRET": secrets["signing_key_secret"]}
    auth_url = {"AUTH_URL": f"http://127.0.0.1:{ports['auth']}"}
    web = {"WEB_ROOT": str(ROOT / "web" / "dist")}
    transcoder = database("transcoder") | amqp | s3
    catalog = database("catalog") | amqp | s3 | tokens | grants | auth_url
    chosen = {
        "gateway": {"BIND": f"127.0.0.1:{stack.port}"}
        | (metrics("gateway_metrics") | redis | s3 | tokens | grants | upstreams | web),
        "auth": at("auth") | database("auth") | redis | tokens | signing,
        "ingest": at("ingest") | database("ingest") | amqp | s3 | tokens | operator,
        "catalog": at("catalog") | catalog,
        "projector": metrics("projector") | catalog,
        "planner": at("planner") | metrics("planner_metrics") | transcoder | tokens | operator,
        "reconciler": metrics("reconciler") | database("operator") | operator | owners,
        "relay": metrics("relay") | database("relay") | amqp | _archive(stack),
    }
    for number in range(1, stack.workers + 1):
        name = worker_name(number)
        scratch = {"SCRATCH_DIR": str(stack.home / "scratch" / name)}
        chosen[name] = metrics(name) | transcoder | scratch
    chosen["planner"] |= {"SCRATCH_DIR": str(stack.home / "scratch" / "planner")}
    return {name: base | own for name, own in chosen.items()}


def operator_environment(stack: Stack) -> dict[str, str]:
    """What the command line needs: as the owner of the database, and with the operator's secret."""
    shared = environments(stack)["reconciler"]
    kept = ("OPERATOR_SECRET", "UPSTREAM_INGEST", "UPSTREAM_TRANSCODER", "CINELOG_MODE", "PATH")
    return {
        **{name: shared[name] for name in kept if name in shared},
        **{name: shared[name] for name in _INHERITED if name in shared},
        "DATABASE_ADMIN_URL": stack.urls.postgres,
        "AMQP_URL": stack.urls.amqp,
        **_archive(stack),
    }


def _archive(stack: Stack) -> dict[str, str]:
    """What the relay needs to archive the log."""
    if not stack.archive_bucket:
        return {}
    return {
        "S3_ENDPOINT": stack.urls.s3_endpoint,
        "S3_REGION": stack.urls.s3_region,
        "S3_ACCESS_KEY": stack.urls.s3_access_key,
        "S3_SECRET_KEY": stack.urls.s3_secret_key,
        "S3_ARCHIVE_BUCKET": stack.archive_bucket,
    }


def role_url(admin_url: str, role: str, password: str) -> str:
    """How a service's role logs in to the database of ``admin_url``."""
    parts = urlsplit(admin_url)
    netloc = f"cinelog_{role}:{password}@{parts.hostname}:{parts.port}"
    return urlunsplit(parts._replace(netloc=netloc))


class MigrationFailed(Exception):
    """The database could not be prepared; the message is the last thing that was said."""


async def _migrate(stack: Stack) -> None:
    done = stack.home / "migrated"
    newest = fingerprint()
    if done.exists() and done.read_text() == newest:
        return
    passwords = {
        f"ROLE_PASSWORD_{role.upper()}": stack.secrets[f"role_password_{role}"] for role in _ROLES
    }
    setup = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shared.database.setup", *modules()),
        cwd=ROOT,
        env={**os.environ, **passwords, "DATABASE_ADMIN_URL": stack.urls.postgres},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await setup.communicate()
    (stack.home / "logs" / "migrations.log").write_bytes(said)
    if setup.returncode != 0:
        lines = said.decode(errors="replace").strip().splitlines()
        raise MigrationFailed(lines[-1] if lines else f"exit code {setup.returncode}")
    done.write_text(newest)


async def _create_buckets(stack: Stack) -> None:
    done = stack.home / "buckets"
    named = (stack.sources_bucket, stack.media_bucket, stack.archive_bucket)
    buckets = [name for name in named if name]
    if done.exists() and done.read_text().split() == buckets:
        return
    # Imported late: it is slow, and everything else can start meanwhile.
    from shared.blobs.s3 import S3Store, s3_client  # noqa: PLC0415

    urls = stack.urls
    async with s3_client(
        urls.s3_endpoint, urls.s3_region, urls.s3_access_key, urls.s3_secret_key
    ) as client:
        for bucket in buckets:
            await S3Store(client, bucket).ensure_bucket()
    done.write_text("\n".join(buckets))
