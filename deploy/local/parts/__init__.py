"""The infrastructure: PostgreSQL, Valkey, SeaweedFS and RabbitMQ, each from a package registry."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from deploy.local.parts import postgres, rabbitmq, seaweedfs, valkey
from deploy.local.process import Step


class Layout(Struct, frozen=True):
    """What a set of parts is made from."""

    home: Path
    """Their state; several sets live side by side in different homes."""
    packages: Path
    """Downloaded packages, shared by all homes."""
    ports: Mapping[str, int]
    secrets: Mapping[str, str]
    for_tests: bool = False
    """Trades the disk's durability (not a process's) for speed, and shows the broker's insides."""
    durable: bool = False
    """Keeps the disk's durability even so: for measurements."""


class Urls(Struct, frozen=True):
    """How to reach the parts, passwords included."""

    postgres: str
    """As the superuser, database ``postgres``."""
    amqp: str
    redis: str
    s3_endpoint: str
    s3_access_key: str
    s3_secret_key: str
    s3_region: str = "us-east-1"
    s3_sync: str = ""
    """Where writes to S3 are confirmed, if the disk must have them (``disk-sync``)."""
    rabbitmq_api: str = ""
    """The broker's management API, with credentials; only for tests."""


PORTS = (*postgres.PORTS, *valkey.PORTS, *seaweedfs.PORTS, *rabbitmq.PORTS)
SECRETS = ("postgres_password", "rabbitmq_password", "redis_password", "s3_secret_key")
READY = frozenset({"postgres", "valkey", "seaweedfs", "disk-sync", "rabbitmq"})


def steps(layout: Layout) -> tuple[Step, ...]:
    """Everything that must run for ``urls`` to answer."""
    home, ports, secrets = layout.home, layout.ports, layout.secrets
    durable = layout.durable or not layout.for_tests
    return (
        *postgres.steps(home, ports, secrets["postgres_password"], durable=durable),
        *valkey.steps(home, ports, secrets["redis_password"]),
        *seaweedfs.steps(home, ports, secrets["s3_secret_key"]),
        *(seaweedfs.disk_sync(home, ports, secrets["s3_secret_key"]) if durable else ()),
        *rabbitmq.steps(
            home,
            ports,
            secrets["rabbitmq_password"],
            layout.packages,
            management=layout.for_tests,
        ),
    )


def urls(layout: Layout) -> Urls:
    """How to reach them once they are up."""
    ports, secrets = layout.ports, layout.secrets
    rabbit = f"{rabbitmq.USER}:{secrets['rabbitmq_password']}@127.0.0.1"
    return Urls(
        postgres=postgres.url(ports, secrets["postgres_password"]),
        amqp=f"amqp://{rabbit}:{ports['amqp']}/",
        redis=f"redis://:{secrets['redis_password']}@127.0.0.1:{ports['redis']}/0",
        s3_endpoint=f"http://127.0.0.1:{ports['s3']}",
        s3_access_key=seaweedfs.ACCESS_KEY,
        s3_secret_key=secrets["s3_secret_key"],
        s3_sync=seaweedfs.sync_url(ports) if layout.durable or not layout.for_tests else "",
        rabbitmq_api=f"http://{rabbit}:{ports['rabbitmq_api']}/api" if layout.for_tests else "",
    )
