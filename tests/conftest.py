"""Fixtures for all tests: real parts, shared by the session, and a corner of them per test."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis

from deploy.local.parts import Urls
from tests.support.brokers import Broker, own_vhost
from tests.support.buckets import Buckets, own_buckets
from tests.support.databases import Database, copy_of, migrated_template
from tests.support.otlp import Receiver, receiving
from tests.support.real_parts import real_parts
from tests.support.stack import RunningStack, running_stack


@pytest.fixture(scope="session")
def parts() -> Iterator[Urls]:
    """PostgreSQL, RabbitMQ, Valkey and S3, started when the first test asks."""
    with real_parts() as urls:
        yield urls


@pytest.fixture(scope="session")
def database_template(parts: Urls) -> str:
    """The name of a migrated database to copy."""
    return migrated_template(parts.postgres)


@pytest.fixture
def database(parts: Urls, database_template: str) -> Iterator[Database]:
    """A migrated database that nobody else uses."""
    with copy_of(parts.postgres, database_template) as own:
        yield own


@pytest.fixture
def broker(parts: Urls) -> Iterator[Broker]:
    """An empty virtual host that nobody else uses."""
    with own_vhost(parts.amqp, parts.rabbitmq_api) as own:
        yield own


@pytest.fixture
def amqp_url(broker: Broker) -> str:
    """Where to connect to ``broker``."""
    return broker.amqp_url


@pytest.fixture
def s3(parts: Urls) -> Iterator[Buckets]:
    """Two empty buckets that nobody else uses."""
    with own_buckets(parts) as own:
        yield own


@pytest.fixture
def redis_url(parts: Urls) -> Iterator[str]:
    """An empty logical database."""
    with own_redis(parts) as url:
        yield url


@pytest.fixture(scope="session")
def telemetry() -> Iterator[Receiver]:
    """Where ``cinelog`` sends its metrics, and the spans of requests that ask for it."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def cinelog(parts: Urls, database_template: str, telemetry: Receiver) -> Iterator[RunningStack]:
    """The whole of Cinelog behind its gateway, shared by the session."""
    with ExitStack() as own:
        yield own.enter_context(
            running_stack(
                parts,
                own.enter_context(copy_of(parts.postgres, database_template)),
                own.enter_context(own_vhost(parts.amqp, parts.rabbitmq_api)),
                own.enter_context(own_redis(parts)),
                own.enter_context(own_buckets(parts)),
                workers=2,
                OTEL_EXPORTER_OTLP_ENDPOINT=telemetry.endpoint,
                # Only what a request's own traceparent wants recorded.
                OTEL_TRACES_SAMPLER="parentbased_always_off",
                OTEL_BSP_SCHEDULE_DELAY="200",
                OTEL_METRIC_EXPORT_INTERVAL="2000",
            )
        )


@contextmanager
def own_redis(parts: Urls) -> Iterator[str]:
    """An empty logical database; the server's are used in turn."""
    with redis.Redis.from_url(parts.redis) as server:
        databases = int(server.config_get("databases")["databases"] or 16)
        number = 1 + server.incr("tests:database") % (databases - 1)
    url = urlunsplit(urlsplit(parts.redis)._replace(path=f"/{number}"))
    with redis.Redis.from_url(url) as own:
        own.flushdb()
        yield url
        own.flushdb()
