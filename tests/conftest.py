"""Fixtures for all tests: real parts, shared by the session, and a corner of them per test.

What only some fixtures need is imported by them: most tests need none of it, and each lane, and
each run of a single test, would pay for it.
"""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from deploy.local.parts import Urls
    from tests.support.brokers import Broker
    from tests.support.buckets import Buckets
    from tests.support.databases import Database
    from tests.support.otlp import Receiver
    from tests.support.stack import RunningStack

pytest_plugins = ("tests.support.stack_end", "tests.support.lanes", "tests.support.timings")


# How long an example takes depends on what else the machine does.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while all tests are imported, and never look at that again: it stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        read_certificates_once()


def read_certificates_once() -> None:
    """Let clients of httpx share a context of TLS: each would read all certificate authorities.

    That takes 20 ms, and a test has several clients. None of them uses TLS.
    """
    if transports := sys.modules.get("httpx._transports.default"):
        transports.create_ssl_context = functools.cache(transports.create_ssl_context)


@pytest.fixture(scope="session", autouse=True)
def fork_server() -> Iterator[None]:
    """Ends the server that forks services, if a test has used it."""
    yield
    if forked := sys.modules.get("tests.support.forked"):
        forked.stop_fork_server()


@pytest.fixture(scope="session")
def parts(pytestconfig: pytest.Config) -> Iterator[Urls]:
    """PostgreSQL, RabbitMQ, Valkey and S3, started when the first test asks."""
    from tests.support.lane_server import shared_urls
    from tests.support.real_parts import real_parts

    if shared := shared_urls(pytestconfig):
        yield shared
    else:
        with real_parts() as own:
            yield own


@pytest.fixture(scope="session")
def database_template(parts: Urls) -> str:
    """The name of a migrated database to copy."""
    from tests.support.databases import migrated_template

    return migrated_template(parts.postgres)


@pytest.fixture
def database(parts: Urls, database_template: str) -> Iterator[Database]:
    """A migrated database that nobody else uses."""
    from tests.support.databases import copy_of

    with copy_of(parts.postgres, database_template) as own:
        yield own


@pytest.fixture
def broker(parts: Urls) -> Iterator[Broker]:
    """An empty virtual host that nobody else uses."""
    from tests.support.brokers import own_vhost

    with own_vhost(parts.amqp, parts.rabbitmq_api) as own:
        yield own


@pytest.fixture
def amqp_url(broker: Broker) -> str:
    """Where to connect to ``broker``."""
    return broker.amqp_url


@pytest.fixture(scope="session")
def s3_models() -> Iterator[None]:
    """S3's description, read once for all clients of a session."""
    from tests.support.botocore_models import read_models_once

    with read_models_once():
        yield


@pytest.fixture
def s3(parts: Urls, s3_models: None) -> Iterator[Buckets]:
    """Two empty buckets that nobody else uses."""
    from tests.support.buckets import own_buckets

    with own_buckets(parts) as own:
        yield own


@pytest.fixture
def redis_url(parts: Urls) -> Iterator[str]:
    """An empty logical database."""
    from tests.support.redis_databases import own_redis

    with own_redis(parts) as url:
        yield url


@pytest.fixture(scope="session")
def telemetry() -> Iterator[Receiver]:
    """Where ``cinelog`` sends its metrics, and the spans of requests that ask for it."""
    from tests.support.otlp import receiving

    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def cinelog(parts: Urls, database_template: str, telemetry: Receiver) -> Iterator[RunningStack]:
    """The whole of Cinelog behind its gateway, shared by all tests that use it."""
    from tests.support.brokers import own_vhost
    from tests.support.buckets import own_buckets
    from tests.support.databases import copy_of
    from tests.support.redis_databases import own_redis
    from tests.support.stack import running_stack

    with ExitStack() as own:
        yield own.enter_context(
            running_stack(
                parts,
                own.enter_context(copy_of(parts.postgres, database_template)),
                own.enter_context(own_vhost(parts.amqp, parts.rabbitmq_api)),
                own.enter_context(own_redis(parts)),
                own.enter_context(own_buckets(parts)),
                workers=2,
                X264_PRESET="superfast",
                OTEL_EXPORTER_OTLP_ENDPOINT=telemetry.endpoint,
                # Only what a request's own traceparent wants recorded.
                OTEL_TRACES_SAMPLER="parentbased_always_off",
                OTEL_BSP_SCHEDULE_DELAY="200",
                # Each export takes some of the processor, from a dozen processes.
                OTEL_METRIC_EXPORT_INTERVAL="8000",
                # What a test damages, its own scrub finds, and not one in the background before it.
                SCRUB_BYTES_PER_SECOND="0",
            )
        )
