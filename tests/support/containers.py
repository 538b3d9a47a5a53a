"""The parts as containers, where Docker is there and can have the images."""

import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy, LogMessageWaitStrategy

from deploy.local.parts import Urls

POSTGRES = "library/postgres:18"
RABBITMQ = "library/rabbitmq:4.1-management"
VALKEY = "valkey/valkey:9.0"
SEAWEEDFS = "chrislusf/seaweedfs:4.00"

_PATIENCE = 300


def available() -> bool:
    """Whether Docker answers and has, or can pull, every image."""
    docker = shutil.which("docker")
    if docker is None or not _succeeds(docker, "info", timeout=10):
        return False
    return all(
        _succeeds(docker, "image", "inspect", image, timeout=10)
        or _succeeds(docker, "pull", "--quiet", image, timeout=_PATIENCE)
        for image in (POSTGRES, RABBITMQ, VALKEY, SEAWEEDFS)
    )


def _succeeds(*command: str, timeout: float) -> bool:
    try:
        ended = subprocess.run(command, check=False, capture_output=True, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0


@contextmanager
def running() -> Iterator[Urls]:
    """All four, removed at the end."""
    password = secrets.token_urlsafe(24)
    with ExitStack() as stack:
        postgres = stack.enter_context(
            DockerContainer(POSTGRES)
            .with_env("POSTGRES_PASSWORD", password)
            .with_exposed_ports(5432)
            # Said twice: once by the server that initialises, once by the real one.
            .waiting_for(LogMessageWaitStrategy("ready to accept connections", times=2))
        )
        rabbitmq = stack.enter_context(
            DockerContainer(RABBITMQ)
            .with_env("RABBITMQ_DEFAULT_USER", "cinelog")
            .with_env("RABBITMQ_DEFAULT_PASS", password)
            .with_exposed_ports(5672, 15672)
            .waiting_for(LogMessageWaitStrategy("Server startup complete"))
        )
        valkey = stack.enter_context(
            DockerContainer(VALKEY)
            .with_command(f"valkey-server --requirepass {password} --databases 64")
            .with_exposed_ports(6379)
            .waiting_for(LogMessageWaitStrategy("Ready to accept connections"))
        )
        seaweedfs = stack.enter_context(
            DockerContainer(SEAWEEDFS)
            .with_env("AWS_ACCESS_KEY_ID", "cinelog")
            .with_env("AWS_SECRET_ACCESS_KEY", password)
            .with_command("server -filer -s3 -dir=/data -volume.max=1000")
            .with_exposed_ports(8333)
            .waiting_for(HttpWaitStrategy(8333, "/healthz"))
        )
        yield Urls(
            postgres=f"postgresql://postgres:{password}@{_at(postgres, 5432)}/postgres",
            amqp=f"amqp://cinelog:{password}@{_at(rabbitmq, 5672)}/",
            rabbitmq_api=f"http://cinelog:{password}@{_at(rabbitmq, 15672)}/api",
            redis=f"redis://:{password}@{_at(valkey, 6379)}/0",
            s3_endpoint=f"http://{_at(seaweedfs, 8333)}",
            s3_access_key="cinelog",
            s3_secret_key=password,
        )


def _at(container: DockerContainer, port: int) -> str:
    return f"{container.get_container_host_ip()}:{container.get_exposed_port(port)}"
